//! Why a call into a guest ended without an answer.

use px0_core::render::Limit;
use wasmtime::{Error, Trap};

use crate::{guard::Guard, turn::Ended};

/// What a template is told that is nested too deeply for the guest's stack.
pub(crate) const TOO_DEEP: &str = "template too deeply nested";

/// What the log is told if a call is ever found to be long where that makes no difference.
pub(crate) const IN_THE_WRONG_LANE: &str = "a long call was not made again in the long lane";

/// Why a call into a guest ended without an answer. Its instance is never used again.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It is not a short call, and was in the short lane.
    Long,
    /// It ran into one of its limits.
    Limit(Limit),
    /// It ran out of stack: what it was given is nested too deeply.
    TooDeep,
    /// It crashed, or broke the rules of the interface. For the log.
    Internal(String),
}

impl Stop {
    /// Why a call `ended`, given what its guard saw.
    pub(crate) fn of(ended: Ended, guard: &Guard) -> Self {
        match ended {
            Ended::Long => Self::Long,
            Ended::Limit(limit) => Self::Limit(limit),
            Ended::Failed(error) => Self::by(&error, guard.denied()),
        }
    }

    fn by(error: &Error, denied: bool) -> Self {
        match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => Self::Limit(Limit::Fuel),
            // An allocation that fails ends in `unreachable`, like any other crash.
            _ if denied => Self::Limit(Limit::Memory),
            // The guests' own stack lies at the bottom of their memory, and leaves it when it overflows.
            Some(Trap::StackOverflow | Trap::MemoryOutOfBounds) => Self::TooDeep,
            _ => Self::Internal(format!("{error:#}")),
        }
    }
}
