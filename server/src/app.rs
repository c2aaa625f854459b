//! What every handler can reach.

use std::{ops::Deref, sync::Arc};

use px0_config::HttpSettings;
use px0_core::workflows::Px0;
use px0_render_wasm::Sandbox;

use crate::{
    bodies::Bodies, connections::Connections, limiter::Limiter, one_address::OneAddress,
    telemetry::Telemetry,
};

/// The product and what the HTTP layer itself needs. Cheap to clone; every handler has it as its state.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// What an [`App`] is made of.
pub struct Parts {
    /// The product.
    pub px0: Px0,
    /// How often is too often.
    pub limiter: Limiter,
    /// The memory for large bodies.
    pub(crate) bodies: Bodies,
    /// The open connections.
    pub(crate) connections: Arc<Connections>,
    /// Who looks out for a proxy that was not told of.
    pub one_address: OneAddress,
    /// The settings of the server itself.
    pub http: HttpSettings,
    /// The sandbox, for what it tells of itself.
    pub sandbox: Arc<Sandbox>,
    /// Who is told what happens.
    pub telemetry: Telemetry,
}

impl App {
    /// Puts it together.
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
