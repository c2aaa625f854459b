//! Where among the variables something is: what a missing one is called.

use std::{fmt, sync::Arc};

/// The way from the variables down to a value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place(Option<Arc<Step>>);

#[derive(Debug)]
struct Step {
    parent: Place,
    name: Name,
}

#[derive(Debug)]
enum Name {
    Key(Arc<str>),
    Item(usize),
}

impl Place {
    /// The variables themselves.
    pub(crate) const ROOT: Place = Place(None);

    /// Under `key` in the map that is here.
    pub(crate) fn key(&self, key: Arc<str>) -> Place {
        Place(Some(Arc::new(Step { parent: self.clone(), name: Name::Key(key) })))
    }

    /// At `index` in the list that is here.
    pub(crate) fn item(&self, index: usize) -> Place {
        Place(Some(Arc::new(Step { parent: self.clone(), name: Name::Item(index) })))
    }
}

/// `messages.0.content`
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(step) = &self.0 else { return Ok(()) };
        if step.parent.0.is_some() {
            write!(f, "{}.", step.parent)?;
        }
        match &step.name {
            Name::Key(key) => f.write_str(key),
            Name::Item(index) => write!(f, "{index}"),
        }
    }
}
