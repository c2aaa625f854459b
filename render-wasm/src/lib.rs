//! px0's sandbox: tenants' templates and schemas run as WebAssembly components under limits.
//!
//! Nothing that a tenant wrote is ever parsed by native code. A template is read, checked and rendered
//! inside of a component instance that can call nothing but functions of plugins, with a bounded memory, a bounded number of
//! instructions and a bounded time; a JSON Schema likewise. What goes wrong in there stays in there.
//!
//! - [`Sandbox`] is the [`Renderer`](px0_core::render::Renderer); [`RenderSettings`] are its limits;
//! - `guests` are the engines and their instances; `template` and `schema` speak the interfaces of `wit/` with the guests of `guest/` and `schema-guest/`;
//! - `pool` keeps instances warm, one version of one tenant's prompt each;
//! - `lane` is where calls run, short and long ones apart, `turn` runs them in slices, `tenants` says how many at once, `guard`
//!   watches over memory, `stop` tells why a call was ended;
//! - an [`Observer`] is told of every render;
//! - `engine` configures WebAssembly, `code` loads compiled code, `background` makes what is not needed at once.

mod background;
mod code;
mod engine;
mod guard;
mod guests;
mod lane;
mod lend;
mod meter;
mod observe;
mod pool;
mod sandbox;
mod schema;
mod settings;
mod stats;
mod stop;
mod template;
mod tenants;
mod turn;

pub use guests::Extensions;
pub use lend::{Answer, Called, Calling, Calls, Function, Functions, Plugins};
pub use observe::{Observer, Rendering, Used, kind};
pub use sandbox::{Sandbox, SandboxError};
pub use settings::{Isolation, RenderSettings};
pub use stats::{PoolStats, Stats};
pub use template::{EngineSource, PluginName, TemplateEngine};

/// What runs components, for those who run other ones than engines.
pub mod host {
    pub use crate::{
        background::Background,
        code::{Embedded, component},
        engine::Machine,
        guard::Guard,
        lane::LongLane,
        meter::{Guarded, charge},
        turn::{SHORT_FUEL, SLICE, ran},
    };
}
