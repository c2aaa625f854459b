//! `log`: lines in the operator's log.

use px0_core::{ids::OrgId, plugin::PluginId};
use px0_render_wasm::host::charge;
use wasmtime::{
    Error, StoreContextMut,
    component::{ComponentType, Lift, Linker},
};

use crate::{api::Api, cell::State};

/// Longest line, in bytes.
const LONGEST: usize = 1024;

/// Most lines of one call.
pub(crate) const LINES: u32 = 20;

/// `level` of the interface.
#[derive(Clone, Copy, Debug, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "made by whoever reads what a plugin says")]
enum Level {
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
}

/// Gives it to a plugin.
pub(crate) fn link(linker: &mut Linker<State>, api: Api) -> Result<(), Error> {
    linker.instance(&api.interface("log"))?.func_wrap_async(
        "write",
        |mut store: StoreContextMut<'_, State>, (level, message): (Level, String)| {
            Box::new(async move {
                charge(&mut store, message.len(), 0).await?;
                store.data_mut().write(level, &message);
                Ok(())
            })
        },
    )
}

impl State {
    fn write(&mut self, level: Level, message: &str) {
        let Some(left) = self.lines_left.checked_sub(1) else { return };
        self.lines_left = left;
        write(level, &self.plugin, self.org, &tidy(message));
    }
}

fn write(level: Level, plugin: &PluginId, organization: OrgId, message: &str) {
    match level {
        Level::Debug => tracing::debug!(%plugin, %organization, "{message}"),
        Level::Info => tracing::info!(%plugin, %organization, "{message}"),
        Level::Warn => tracing::warn!(%plugin, %organization, "{message}"),
        Level::Error => tracing::error!(%plugin, %organization, "{message}"),
    }
}

/// The message in one line, and not too long: no plugin writes lines that look like somebody else's.
pub(crate) fn tidy(message: &str) -> String {
    let end = message.floor_char_boundary(LONGEST);
    message[..end].chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_line() {
        assert_eq!(tidy("a\nb\x1b[31mc"), "a b [31mc");
        assert_eq!(tidy(&"é".repeat(1000)).len(), LONGEST);
    }
}
