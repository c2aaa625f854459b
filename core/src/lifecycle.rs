//! The life of a version: draft → stable → live → archived, as a state machine.
//!
//! The machine is pure: a store asks it inside the atomic step that moves a version, and it
//! answers with the new status or with why not. What must happen to other versions of the prompt
//! (the former live one becomes stable) follows from the answer.

use serde::{Deserialize, Serialize};

use crate::store::Refusal;

/// Where a version stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Can still be changed and deleted.
    Draft,
    /// Fixed, not in use by default.
    Stable,
    /// What `render` renders; at most one of a prompt.
    Live,
    /// Out of use; renders only when asked for by number or tag.
    Archived,
}

impl Status {
    /// Every status, in the order of a life.
    pub const ALL: [Self; 4] = [Self::Draft, Self::Stable, Self::Live, Self::Archived];

    /// The status as clients see it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Stable => "stable",
            Self::Live => "live",
            Self::Archived => "archived",
        }
    }

    /// Where `step` leads from here.
    ///
    /// # Errors
    /// The [`Refusal`] that says why this step cannot be taken from here.
    pub const fn after(self, step: Step) -> Result<Self, Refusal> {
        match (step, self) {
            (Step::Promote, Self::Draft) => Ok(Self::Stable),
            (Step::Promote, Self::Stable) => Ok(Self::Live),
            (Step::Promote, Self::Live | Self::Archived) => Err(Refusal::CannotPromote),
            (Step::Demote, Self::Live) => Ok(Self::Stable),
            (Step::Demote, _) => Err(Refusal::CannotDemote),
            (Step::Archive, Self::Archived) => Err(Refusal::AlreadyArchived),
            (Step::Archive, _) => Ok(Self::Archived),
        }
    }
}

/// A step in the life of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// One step towards live.
    Promote,
    /// From live back to stable.
    Demote,
    /// Out of use, for good.
    Archive,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_from_every_status() {
        use Refusal::*;
        use Status::*;
        let table = [
            (Draft, Ok(Stable), Err(CannotDemote), Ok(Archived)),
            (Stable, Ok(Live), Err(CannotDemote), Ok(Archived)),
            (Live, Err(CannotPromote), Ok(Stable), Ok(Archived)),
            (Archived, Err(CannotPromote), Err(CannotDemote), Err(AlreadyArchived)),
        ];
        for (from, promote, demote, archive) in table {
            assert_eq!(from.after(Step::Promote), promote, "{from:?}");
            assert_eq!(from.after(Step::Demote), demote, "{from:?}");
            assert_eq!(from.after(Step::Archive), archive, "{from:?}");
        }
    }
}
