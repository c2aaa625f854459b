//! Listing the prompts of a team, which may be many.

use px0_core::{
    ids::{PromptId, TeamId},
    page::{Page, Paged, Recent},
    prompt::{Prompt, PromptFilter},
    store::Result,
};

use super::{committer::Gate, keyspace, lines::Line, record, view::View};

/// Prompts that are looked at in one go. While one method reads, nobody writes: a search through a
/// hundred thousand prompts for a word that none has must let others in between. A page with
/// fewer candidates than this, and any without a filter, is one atomic step.
const STRIDE: usize = 512;

/// The prompts of a team that `filter` admits, newest first.
///
/// A prompt keeps its place for as long as it is in the team, so a search in several strides sees every prompt
/// that stays at most and at least once, each as it was at one moment.
pub(super) fn search(
    gate: &Gate,
    team: TeamId,
    filter: &PromptFilter,
    page: Page<Recent>,
) -> Result<Paged<Prompt, Recent>> {
    let (mut items, mut after) = (Vec::new(), page.after);
    loop {
        let wanted = page.limit + 1 - items.len();
        let (more, last) = gate.read(|view| stride(view, team, filter, after, wanted))?;
        items.extend(more);
        after = last;
        if after.is_none() || items.len() > page.limit {
            return Paged::take(page.limit, items.into_iter().map(Ok), place);
        }
    }
}

/// Up to `wanted` of the next prompts, and where to go on, unless that was the end.
fn stride(
    view: &View<'_>,
    team: TeamId,
    filter: &PromptFilter,
    after: Option<Recent>,
    wanted: usize,
) -> Result<(Vec<Prompt>, Option<Recent>)> {
    let after = after.map(|place| keyspace::prompt_in(team, place));
    let ids = view.scan_after(&keyspace::prompts_in(team), after.as_ref())?;
    let (mut items, mut last) = (Vec::new(), None);
    for (seen, pair) in ids.enumerate() {
        if items.len() == wanted || seen >= STRIDE.max(wanted) {
            return Ok((items, last));
        }
        let id = PromptId::from_uuid(record::id(&pair?.1)?);
        let line: Line = view.must(&keyspace::prompt(id))?;
        last = Some(place(&line.prompt));
        if admits(view, filter, &line.prompt)? {
            items.push(line.prompt);
        }
    }
    Ok((items, None))
}

fn admits(view: &View<'_>, filter: &PromptFilter, prompt: &Prompt) -> Result<bool> {
    match &filter.tag {
        Some(tag) if !view.has(&keyspace::tag(prompt.id, tag))? => Ok(false),
        _ => Ok(filter.admits(prompt)),
    }
}

fn place(prompt: &Prompt) -> Recent {
    Recent { at: prompt.created_at, id: prompt.id.uuid() }
}
