//! Prompts and their sample payloads.

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    ids::{PayloadId, PromptId, TeamId},
    json::JsonText,
    name::{Description, Name},
    page::Weigh,
    slug::Slug,
    tag::TagName,
};

/// Whether a prompt can still be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PromptStatus {
    /// It can.
    Active,
    /// It renders, but nothing of it can be changed until it is restored.
    Archived,
}

impl Weigh for Prompt {}

impl Weigh for Payload {
    fn weight(&self) -> usize {
        self.variables.as_str().len()
    }
}

impl PromptStatus {
    /// The status as clients see it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Archived => "archived",
        }
    }
}

/// A prompt: a name for a line of versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// Which.
    pub id: PromptId,
    /// Whose.
    pub team_id: TeamId,
    /// How services call it; unique in its team.
    pub slug: Slug,
    /// How people call it; unique in its team.
    pub name: Name,
    /// What it is for.
    pub description: Description,
    /// Whether it can be changed.
    pub status: PromptStatus,
    /// Since when.
    pub created_at: Timestamp,
    /// When it was last changed itself (its versions have times of their own).
    pub updated_at: Timestamp,
}

/// How a prompt is named in a path: `{id}` takes both.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PromptRef {
    /// By id.
    Id(PromptId),
    /// By slug, among the teams the caller reaches.
    Slug(Slug),
}

impl PromptRef {
    /// What `text` names; `None` for a word that can name no prompt.
    pub fn parse(text: &str) -> Option<Self> {
        match text.parse() {
            Ok(id) => Some(Self::Id(id)),
            Err(_) => Slug::exact(text).map(Self::Slug),
        }
    }
}

/// What to change of a prompt; `None` leaves it as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PromptChange {
    /// A new name.
    pub name: Option<Name>,
    /// A new slug.
    pub slug: Option<Slug>,
    /// A new description.
    pub description: Option<Description>,
}

impl PromptChange {
    /// Whether nothing is to be changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Which prompts of a team to list; all conditions must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PromptFilter {
    /// Only those of this status.
    pub status: Option<PromptStatus>,
    /// Only those whose name, slug or description has this in it, in any case, every character for itself.
    pub text: Option<String>,
    /// Only those that have a version with this tag.
    pub tag: Option<TagName>,
}

impl PromptFilter {
    /// Whether `prompt` is of the status and has the text; the tag is for the store to look up.
    pub fn admits(&self, prompt: &Prompt) -> bool {
        let has = |text: &str, part: &str| text.to_lowercase().contains(part);
        self.status.is_none_or(|status| prompt.status == status)
            && self.text.as_ref().is_none_or(|text| {
                let part = text.to_lowercase();
                has(prompt.name.as_str(), &part)
                    || has(prompt.slug.as_str(), &part)
                    || has(prompt.description.as_str(), &part)
            })
    }
}

/// Variables with which a prompt can be tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// Which.
    pub id: PayloadId,
    /// Of which prompt.
    pub prompt_id: PromptId,
    /// What people call it.
    pub name: Option<Name>,
    /// The text of a JSON object.
    pub variables: JsonText,
    /// Since when.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What to change of a payload; `None` leaves it as it is, `Some(None)` takes the name away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PayloadChange {
    /// Another name, or none.
    pub name: Option<Option<Name>>,
    /// Other variables.
    pub variables: Option<JsonText>,
}
