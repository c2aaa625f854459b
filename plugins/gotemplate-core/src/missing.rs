//! The names of the variables that a render lacked.

use std::collections::BTreeSet;

use crate::place::Place;

/// How many names one answer holds: nobody reads more, and a template can make up names in a loop.
const MAX_NAMES: usize = 1000;

/// How many bytes of a name are kept, for the same reason.
const MAX_NAME: usize = 200;

/// What a render lacked so far.
#[derive(Debug, Default)]
pub(crate) struct MissingNames(BTreeSet<String>);

impl MissingNames {
    /// Writes down that the template needed what should be at `place`.
    pub(crate) fn record(&mut self, place: &Place) {
        if self.0.len() >= MAX_NAMES {
            return;
        }
        let mut name = place.to_string();
        if name.len() > MAX_NAME {
            name.truncate(name.floor_char_boundary(MAX_NAME));
            name.push('…');
        }
        self.0.insert(name);
    }

    /// All of them, sorted; `None` if nothing lacked.
    pub(crate) fn into_names(self) -> Option<Vec<String>> {
        (!self.0.is_empty()).then(|| self.0.into_iter().collect())
    }
}
