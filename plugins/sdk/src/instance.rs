//! The plugin of this instance.
//!
//! An instance has one plugin and one thread: what `configure` or `compile` made is kept here until
//! px0 throws the instance away.

use std::{any::Any, cell::RefCell};

thread_local! {
    static PLUGIN: RefCell<Option<Box<dyn Any>>> = const { RefCell::new(None) };
}

/// Keeps `plugin`, if there is one, in the place of the last one.
pub(crate) fn keep<T: 'static>(plugin: Option<T>) {
    PLUGIN.set(plugin.map(|plugin| Box::new(plugin) as Box<dyn Any>));
}

/// Works with the plugin, if there is one.
pub(crate) fn with<T: 'static, R>(work: impl FnOnce(Option<&T>) -> R) -> R {
    PLUGIN.with_borrow(|plugin| work(plugin.as_deref().and_then(<dyn Any>::downcast_ref)))
}
