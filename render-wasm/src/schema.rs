//! JSON Schema in the sandbox: the component that implements `json-schema` of `wit/`.

use px0_core::render::{SchemaError, Violation};
use wasmtime::{
    Engine, Error, Store,
    component::{Component, ComponentExportIndex, ComponentType, InstancePre, Lift, Linker},
};

use crate::{
    RenderSettings,
    guard::Guard,
    guests::NoAnswer,
    lane::Lane,
    stop::{IN_THE_WRONG_LANE, Stop},
    turn::{self, Ended, SLICE},
};

/// The interface that the component exports.
const INTERFACE: &str = "px0:engine/json-schema@0.1.0";

/// Bytes that one answer may have: 100 violations, each with a path and a message.
const ANSWER: usize = 1024 * 1024;

/// `violation` of the interface.
#[derive(Debug, ComponentType, Lift)]
#[component(record)]
struct WitViolation {
    path: String,
    message: String,
}

/// `schema-error` of the interface.
#[derive(Debug, ComponentType, Lift)]
#[component(variant)]
enum WitSchemaError {
    #[component(name = "schema")]
    Schema(String),
    #[component(name = "document")]
    Document(String),
    #[component(name = "violations")]
    Violations(Vec<WitViolation>),
}

type Answer = (Result<(), WitSchemaError>,);

/// The checker: its code, ready to be instantiated. Every call has an instance of its own.
pub(crate) struct SchemaEngine {
    pre: InstancePre<Guard>,
    check: ComponentExportIndex,
    validate: ComponentExportIndex,
}

impl SchemaEngine {
    /// The checker that `component` is. It must import nothing.
    pub(crate) fn new(engine: &Engine, component: &Component) -> Result<Self, Error> {
        let pre = Linker::new(engine).instantiate_pre(component)?;
        let export = |name: &str| {
            let (_, interface) = component.get_export(None, INTERFACE)?;
            component.get_export_index(Some(&interface), name)
        };
        match (export("check"), export("validate")) {
            (Some(check), Some(validate)) => Ok(Self { pre, check, validate }),
            _ => Err(Error::msg(format!("the component does not export {INTERFACE}"))),
        }
    }

    /// Whether `schema` can be used.
    pub(crate) async fn check(
        &self,
        settings: &RenderSettings,
        lane: Lane,
        schema: &str,
    ) -> Result<(), NoAnswer<SchemaError>> {
        let mut store = self.store(settings).map_err(internal)?;
        let instance = self.pre.instantiate_async(&mut store).await.map_err(internal)?;
        let check = instance
            .get_typed_func::<(String,), Answer>(&mut store, &self.check)
            .map_err(internal)?;
        let call = check.call_async(&mut store, (schema.to_owned(),));
        let ended = turn::run(call, 2 * settings.deadline(), lane).await;
        answer(ended, store.data())
    }

    /// Whether `document` obeys `schema`.
    pub(crate) async fn validate(
        &self,
        settings: &RenderSettings,
        lane: Lane,
        schema: &str,
        document: &str,
    ) -> Result<(), NoAnswer<SchemaError>> {
        let mut store = self.store(settings).map_err(internal)?;
        let instance = self.pre.instantiate_async(&mut store).await.map_err(internal)?;
        let validate = instance
            .get_typed_func::<(String, String), Answer>(&mut store, &self.validate)
            .map_err(internal)?;
        let call = validate.call_async(&mut store, (schema.to_owned(), document.to_owned()));
        let ended = turn::run(call, 2 * settings.deadline(), lane).await;
        answer(ended, store.data())
    }

    fn store(&self, settings: &RenderSettings) -> Result<Store<Guard>, Error> {
        let mut store = Store::new(self.pre.engine(), Guard::new(settings.memory));
        store.limiter(|guard| guard);
        store.set_fuel(settings.schema_fuel)?;
        store.fuel_async_yield_interval(Some(SLICE))?;
        store.set_hostcall_fuel(ANSWER);
        Ok(store)
    }
}

pub(crate) fn internal(error: Error) -> NoAnswer<SchemaError> {
    NoAnswer::Failed(SchemaError::Internal(format!("{error:#}")))
}

impl From<Stop> for SchemaError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Limit(limit) => Self::Limit(limit),
            Stop::TooDeep => Self::Schema("schema too deeply nested".into()),
            Stop::Internal(message) => Self::Internal(message),
            Stop::Long => Self::Internal(IN_THE_WRONG_LANE.into()),
        }
    }
}

fn answer(ended: Result<Answer, Ended>, guard: &Guard) -> Result<(), NoAnswer<SchemaError>> {
    let (answer,) = ended.map_err(|ended| Stop::of(ended, guard))?;
    answer.map_err(|error| {
        NoAnswer::Failed(match error {
            WitSchemaError::Schema(message) => SchemaError::Schema(message),
            WitSchemaError::Document(message) => {
                SchemaError::Violations(vec![Violation { path: String::new(), message }])
            }
            WitSchemaError::Violations(violations) => SchemaError::Violations(
                violations
                    .into_iter()
                    .map(|WitViolation { path, message }| Violation { path, message })
                    .collect(),
            ),
        })
    })
}
