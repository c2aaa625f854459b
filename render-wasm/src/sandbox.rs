//! The sandbox: [`Renderer`] by WebAssembly.

use std::{
    future::Future,
    sync::{Arc, OnceLock},
    time::Instant,
};

use async_trait::async_trait;
use px0_core::{
    SPANS,
    ids::OrgId,
    render::{
        CheckError, EngineName, RenderError, Renderer, SchemaError, TemplateError, TemplateRef,
        Tenant,
    },
};
use tokio::sync::{AcquireError, OwnedSemaphorePermit};
use tracing::{Instrument, Span, field::Empty};
use wasmtime::Error;

use crate::{
    Extensions, Observer, RenderSettings, Rendering, Stats,
    engine::Machine,
    guests::{Done, Guests, NoAnswer},
    lane::Lane,
    observe::kind,
    stop::IN_THE_WRONG_LANE,
    tenants::{Share, Tenants},
};

/// From this many bytes on, variables take longer to read than most renders take.
const LARGE: usize = 64 * 1024;

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The settings make no sense; the text says which and why.
    #[error("{0}")]
    Settings(String),
    /// The engine could not be made, or a guest could not be compiled.
    #[error("the sandbox could not be made: {0}")]
    Engine(String),
}

impl From<Error> for SandboxError {
    fn from(error: Error) -> Self {
        Self::Engine(format!("{error:#}"))
    }
}

/// Checks and renders templates in WebAssembly, each tenant's apart from every other's.
pub struct Sandbox {
    guests: Arc<Guests>,
    machine: &'static Machine,
    tenants: Tenants,
    observer: OnceLock<Arc<dyn Observer>>,
}

impl Sandbox {
    /// Makes the sandbox.
    ///
    /// Milliseconds, where the build compiled the guests for this kind of machine; seconds else. Call it where blocking is allowed.
    ///
    /// # Errors
    /// The settings make no sense, or the machine cannot run the guests.
    pub fn new(settings: RenderSettings) -> Result<Self, SandboxError> {
        if let Some((key, rule)) = settings.problem() {
            return Err(SandboxError::Settings(format!("render.{key} {rule}")));
        }
        let machine = Machine::get()?;
        let tenants = Tenants::new(settings.concurrent_per_tenant, settings.long_renders());
        Ok(Self {
            guests: Arc::new(Guests::new(machine, settings)?),
            machine,
            tenants,
            observer: OnceLock::new(),
        })
    }

    /// Tells `observer` of every render from now on. The first one is the only one.
    pub fn observe(&self, observer: Arc<dyn Observer>) {
        let _ = self.observer.set(observer);
    }

    /// Whether all that is built in is compiled, so that no request waits for that.
    pub fn is_ready(&self) -> bool {
        self.guests.is_ready()
    }

    /// Takes what plugins add from now on. Renders that have begun keep what they began with.
    pub fn extend(&self, extensions: Extensions) {
        self.guests.extend(extensions);
    }

    /// The figures of this moment.
    pub fn stats(&self) -> Stats {
        self.guests.stats()
    }

    /// A call of `tenant`, as soon as it may have one more.
    async fn call(&self, tenant: OrgId) -> Result<Call<'_>, String> {
        let share = self.tenants.share(tenant);
        let permit = share.calls.clone().acquire_owned().await.map_err(closed)?;
        Ok(Call { sandbox: self, share, permit })
    }

    /// Does `work` that takes longer than a millisecond: among the long calls, in `tenant`'s share of them.
    ///
    /// # Errors
    /// It panicked.
    pub async fn slowly<T: Send + 'static>(
        &self,
        tenant: OrgId,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, String> {
        let call = self.call(tenant).await?;
        let done = call.long(|_| async move { Ok::<T, NoAnswer<Broken>>(work()) }).await;
        done.map_err(|Broken(why)| why)
    }

    async fn run(&self, template: &TemplateRef, variables: &str) -> Result<Done, RenderError> {
        let call = self.call(template.tenant.org).await.map_err(Broken)?;
        // Reading is not paid for in fuel. Most take microseconds; a large one is a long call.
        if variables.len() < LARGE && !self.guests.is_long(template.version) {
            match self.guests.render(Lane::Short, template, variables).await {
                Ok(done) => return Ok(done),
                Err(NoAnswer::Failed(error)) => return Err(error),
                Err(NoAnswer::Long) => {}
            }
        }
        let (template, variables) = (template.clone(), variables.to_owned());
        call.long(|guests| async move { guests.render(Lane::Long, &template, &variables).await })
            .await
    }
}

/// Nobody closes the semaphores.
fn closed(error: AcquireError) -> String {
    error.to_string()
}

/// What a trace says of a render: nothing of the template, of its variables or of the text.
fn span(template: &TemplateRef) -> Span {
    let span = tracing::info_span!(
        target: SPANS,
        "sandbox",
        "px0.prompt.slug" = Empty,
        "px0.version.number" = Empty,
        "px0.engine" = template.engine.as_str(),
        "px0.render.fuel" = Empty,
        "px0.render.start" = Empty,
        "error.type" = Empty,
    );
    if let Some(title) = template.title.as_ref().filter(|_| !span.is_disabled()) {
        span.record("px0.prompt.slug", title.prompt.as_str());
        span.record("px0.version.number", title.number);
    }
    span
}

/// A call that its tenant may make.
struct Call<'s> {
    sandbox: &'s Sandbox,
    share: Arc<Share>,
    permit: OwnedSemaphorePermit,
}

impl Call<'_> {
    /// Makes the call in the long lane, as soon as its tenant may have one more there.
    ///
    /// It waits and runs there on its own and keeps its permits, and its tenant's share, until it ends, also when nobody
    /// waits for it any more: closed connections buy nothing.
    async fn long<T, E, F>(self, call: impl FnOnce(Arc<Guests>) -> F) -> Result<T, E>
    where
        F: Future<Output = Result<T, NoAnswer<E>>> + Send + 'static,
        T: Send + 'static,
        E: From<Broken> + Send + 'static,
    {
        let Call { sandbox, share, permit } = self;
        let call = call(sandbox.guests.clone());
        let ended = sandbox.machine.long.run(async move {
            let _permit = permit;
            let _long = share.long.acquire().await.map_err(|error| Broken(closed(error)))?;
            match call.await {
                Ok(answer) => Ok(answer),
                Err(NoAnswer::Failed(error)) => Err(error),
                Err(NoAnswer::Long) => Err(Broken(IN_THE_WRONG_LANE.to_owned()).into()),
            }
        });
        ended.await.map_err(Broken)?
    }
}

/// The sandbox itself failed; the text is for the log.
struct Broken(String);

impl From<Broken> for CheckError {
    fn from(Broken(why): Broken) -> Self {
        Self::Internal(why)
    }
}

impl From<Broken> for RenderError {
    fn from(Broken(why): Broken) -> Self {
        Self::Internal(why)
    }
}

impl From<Broken> for SchemaError {
    fn from(Broken(why): Broken) -> Self {
        Self::Internal(why)
    }
}

#[async_trait]
impl Renderer for Sandbox {
    fn engines(&self) -> Vec<EngineName> {
        self.guests.names()
    }

    async fn check(
        &self,
        tenant: &Tenant,
        engine: &EngineName,
        source: &str,
    ) -> Result<Result<(), TemplateError>, CheckError> {
        let call = self.call(tenant.org).await.map_err(Broken)?;
        match self.guests.check(Lane::Short, tenant, engine, source).await {
            Ok(answer) => Ok(answer),
            Err(NoAnswer::Failed(error)) => Err(error),
            Err(NoAnswer::Long) => {
                let (tenant, engine) = (tenant.clone(), engine.clone());
                let source = source.to_owned();
                call.long(|guests| async move {
                    guests.check(Lane::Long, &tenant, &engine, &source).await
                })
                .await
            }
        }
    }

    async fn render(&self, template: &TemplateRef, variables: &str) -> Result<String, RenderError> {
        let begun = Instant::now();
        let span = span(template);
        let (answer, used) = match self.run(template, variables).instrument(span.clone()).await {
            Ok(Done { answer, used }) => (answer, Some(used)),
            Err(error) => (Err(error), None),
        };
        let error = answer.as_ref().err();
        if !span.is_disabled() {
            if let Some(used) = used {
                span.record("px0.render.fuel", used.fuel);
                span.record("px0.render.start", used.start());
            }
            if let Some(error) = error {
                span.record("error.type", kind(error));
            }
        }
        if let Some(observer) = self.observer.get() {
            observer.rendered(&Rendering { template, took: begun.elapsed(), used, error });
        }
        answer
    }

    async fn check_schema(&self, tenant: OrgId, schema: &str) -> Result<(), SchemaError> {
        let call = self.call(tenant).await.map_err(Broken)?;
        match self.guests.check_schema(Lane::Short, schema).await {
            Ok(()) => Ok(()),
            Err(NoAnswer::Failed(error)) => Err(error),
            Err(NoAnswer::Long) => {
                let schema = schema.to_owned();
                call.long(|guests| async move { guests.check_schema(Lane::Long, &schema).await })
                    .await
            }
        }
    }

    async fn validate(
        &self,
        tenant: OrgId,
        schema: &str,
        document: &str,
    ) -> Result<(), SchemaError> {
        let call = self.call(tenant).await.map_err(Broken)?;
        match self.guests.validate(Lane::Short, schema, document).await {
            Ok(()) => Ok(()),
            Err(NoAnswer::Failed(error)) => Err(error),
            Err(NoAnswer::Long) => {
                let (schema, document) = (schema.to_owned(), document.to_owned());
                call.long(
                    |guests| async move { guests.validate(Lane::Long, &schema, &document).await },
                )
                .await
            }
        }
    }
}
