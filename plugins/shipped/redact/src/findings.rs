//! What was found in a text.

use std::{collections::BTreeMap, ops::Range};

/// Something that must not be in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding<'k> {
    /// Where it is, in bytes.
    pub range: Range<usize>,
    /// What it is.
    pub kind: &'k str,
}

/// The findings in the order of the text. Those that overlap are joined, so that nothing of any of
/// them stays; the one that begins first names them all.
pub(crate) fn joined(mut findings: Vec<Finding<'_>>) -> Vec<Finding<'_>> {
    findings.sort_by_key(|finding| finding.range.start);
    findings.dedup_by(|next, last| {
        let overlap = next.range.start < last.range.end;
        if overlap {
            last.range.end = last.range.end.max(next.range.end);
        }
        overlap
    });
    findings
}

/// The text with `replacement` in the places of the findings.
pub(crate) fn replaced(text: &str, findings: &[Finding<'_>], replacement: &str) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut end = 0;
    for finding in findings {
        replaced.push_str(&text[end..finding.range.start]);
        replaced.push_str(&replacement.replace("{kind}", finding.kind));
        end = finding.range.end;
    }
    replaced.push_str(&text[end..]);
    replaced
}

/// What was found, and how often: `card (1), email (2)`. Never the findings themselves: this is shown
/// and kept in places where they must not be either.
pub(crate) fn counted(findings: &[Finding<'_>]) -> String {
    let mut counts = BTreeMap::<&str, usize>::new();
    for finding in findings {
        *counts.entry(finding.kind).or_default() += 1;
    }
    let counts: Vec<_> = counts.iter().map(|(kind, count)| format!("{kind} ({count})")).collect();
    counts.join(", ")
}
