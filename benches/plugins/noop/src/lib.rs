//! A hook that passes every text.

use px0_plugin::{
    NoSettings, PluginError,
    hook::{Hook, Point},
    px0_plugin,
};

struct Noop;

px0_plugin!(hook: Noop);

impl Hook for Noop {
    type Settings = NoSettings;
    const POINTS: &[Point] = &[Point::AfterRender];

    fn configure(_: NoSettings) -> Result<Self, PluginError> {
        Ok(Noop)
    }
}
