//! Rules that px0 asks at certain points.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{PluginError, error, instance};

/// A rule that px0 asks at certain points.
pub trait Hook: Sized + 'static {
    /// What an admin may set; read from what fits the schema in `plugin.toml`. Without settings,
    /// [`NoSettings`](crate::NoSettings).
    type Settings: DeserializeOwned;

    /// At which points it wants to be asked; it is not asked at others.
    const POINTS: &[Point];

    /// Called once, before anything else.
    ///
    /// # Errors
    /// [`PluginError::Settings`] if the settings cannot be used.
    fn configure(settings: Self::Settings) -> Result<Self, PluginError>;

    /// Asked with the variables of a render, JSON, always an object.
    ///
    /// # Errors
    /// When the rule could not be applied.
    fn before_render(&self, on: &Subject, variables: &str) -> Result<Verdict, PluginError> {
        let _ = (on, variables);
        Ok(Verdict::Pass)
    }

    /// Asked with the text of a render.
    ///
    /// # Errors
    /// When the rule could not be applied.
    fn after_render(&self, on: &Subject, text: &str) -> Result<Verdict, PluginError> {
        let _ = (on, text);
        Ok(Verdict::Pass)
    }

    /// Asked before a version is promoted. There is nothing to replace:
    /// [`Verdict::Replace`] counts as a failure of the plugin.
    ///
    /// # Errors
    /// When the rule could not be applied.
    fn before_promote(&self, promotion: &Promotion) -> Result<Verdict, PluginError> {
        let _ = promotion;
        Ok(Verdict::Pass)
    }
}

/// When a hook can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// Before variables reach the template.
    BeforeRender,
    /// Before a text is handed out.
    AfterRender,
    /// Before a version is promoted.
    BeforePromote,
}

/// The version that it is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// The slug of the prompt.
    pub prompt: String,
    /// The number of the version.
    pub version: u32,
    /// `draft`, `stable`, `live` or `archived`.
    pub status: String,
    /// The template language.
    pub engine: String,
    /// The model it is meant for.
    pub model: Option<String>,
    /// Parameters for the model, JSON, always an object.
    pub model_params: Option<String>,
}

impl Subject {
    /// The parameters for the model, read; empty if there are none.
    ///
    /// # Errors
    /// If they are not a JSON object, which px0 never lets happen.
    pub fn params(&self) -> Result<Map<String, Value>, PluginError> {
        match &self.model_params {
            Some(json) => Ok(serde_json::from_str(json)?),
            None => Ok(Map::new()),
        }
    }
}

/// A version that is about to be promoted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Promotion {
    /// The version.
    pub on: Subject,
    /// What it would become: `stable` or `live`.
    pub to: String,
    /// Its template.
    pub template: String,
    /// At most 100 sample payloads of the prompt, newest first.
    pub samples: Vec<Sample>,
}

/// A sample payload of the prompt, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// What it is called, if it has a name.
    pub name: Option<String>,
    /// JSON, always an object.
    pub variables: String,
    /// The text, or the error message of the render. Hooks had no part in it.
    pub rendered: Result<String, String>,
}

/// What a hook says to variables, a text or a promotion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Pass,
    /// Go on with this instead: variables (JSON, an object) before a render, the text after it.
    Replace(String),
    /// Do not go on. The client gets this with status 422.
    Refuse {
        /// What programs go by: lower case letters, digits and `_`, at most 64 bytes, and always the
        /// same for the same reason.
        code: String,
        /// What people read: one sentence that says what to change.
        reason: String,
    },
}

impl Verdict {
    /// Do not go on; see [`Verdict::Refuse`].
    pub fn refuse(code: impl Into<String>, reason: impl Into<String>) -> Verdict {
        Verdict::Refuse { code: code.into(), reason: reason.into() }
    }
}

#[doc(hidden)]
#[allow(missing_docs, unsafe_code, unreachable_pub, clippy::all)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../wit/px0-plugin-0.1.0",
        world: "hook-plugin",
        pub_export_macro: true,
        export_macro_name: "export_hook",
        default_bindings_module: "px0_plugin::hook::bindings",
    });
}

use bindings::{exports::px0::plugin::hook as wit, px0::plugin::types};

/// A hook as px0 calls it.
#[doc(hidden)]
pub struct Exported<T>(PhantomData<T>);

/// Compiles for what [`px0_plugin!`](crate::px0_plugin) can export.
#[doc(hidden)]
pub fn exportable<T: wit::Guest>() {}

/// Asks the hook of this instance.
fn ask<T: Hook>(
    question: impl FnOnce(&T) -> Result<Verdict, PluginError>,
) -> Result<wit::Verdict, types::PluginError> {
    instance::with(|plugin: Option<&T>| {
        let plugin = plugin.ok_or_else(|| PluginError::failed("it was not configured"))?;
        Ok(question(plugin)?.into())
    })
}

impl<T: Hook> wit::Guest for Exported<T> {
    fn configure(settings: String) -> Result<(), types::PluginError> {
        instance::keep(Some(T::configure(error::settings(&settings)?)?));
        Ok(())
    }

    fn points() -> Vec<wit::Point> {
        T::POINTS.iter().map(|point| (*point).into()).collect()
    }

    fn before_render(
        on: wit::Subject,
        variables: String,
    ) -> Result<wit::Verdict, types::PluginError> {
        ask(|hook: &T| hook.before_render(&on.into(), &variables))
    }

    fn after_render(on: wit::Subject, text: String) -> Result<wit::Verdict, types::PluginError> {
        ask(|hook: &T| hook.after_render(&on.into(), &text))
    }

    fn before_promote(
        on: wit::Subject,
        to: String,
        template: String,
        samples: Vec<wit::Sample>,
    ) -> Result<wit::Verdict, types::PluginError> {
        let samples = samples.into_iter().map(Sample::from).collect();
        ask(|hook: &T| hook.before_promote(&Promotion { on: on.into(), to, template, samples }))
    }
}

impl From<Point> for wit::Point {
    fn from(point: Point) -> wit::Point {
        match point {
            Point::BeforeRender => wit::Point::BeforeRender,
            Point::AfterRender => wit::Point::AfterRender,
            Point::BeforePromote => wit::Point::BeforePromote,
        }
    }
}

impl From<wit::Subject> for Subject {
    fn from(subject: wit::Subject) -> Subject {
        let wit::Subject { prompt, version, status, engine, model, model_params } = subject;
        Subject { prompt, version, status, engine, model, model_params }
    }
}

impl From<wit::Sample> for Sample {
    fn from(sample: wit::Sample) -> Sample {
        let wit::Sample { name, variables, rendered } = sample;
        Sample { name, variables, rendered }
    }
}

impl From<Verdict> for wit::Verdict {
    fn from(verdict: Verdict) -> wit::Verdict {
        match verdict {
            Verdict::Pass => wit::Verdict::Pass,
            Verdict::Replace(text) => wit::Verdict::Replace(text),
            Verdict::Refuse { code, reason } => wit::Verdict::Refuse(wit::Refusal { code, reason }),
        }
    }
}

impl From<PluginError> for types::PluginError {
    fn from(error: PluginError) -> types::PluginError {
        match error {
            PluginError::Settings(reason) => types::PluginError::Settings(reason),
            PluginError::Failed(reason) => types::PluginError::Failed(reason),
        }
    }
}

/// Exports a hook.
#[doc(hidden)]
#[macro_export]
macro_rules! __px0_plugin_hook {
    ($plugin:ty) => {
        $crate::__px0_plugin_export!(hook, export_hook, $plugin);
    };
}

#[cfg(test)]
mod tests {
    use wit::Guest;

    use super::*;
    use crate::NoSettings;

    /// Wants the model to be named, and the text to be unlike the last one.
    struct Rule;

    impl Hook for Rule {
        type Settings = NoSettings;
        const POINTS: &[Point] = &[Point::AfterRender, Point::BeforePromote];

        fn configure(_: NoSettings) -> Result<Self, PluginError> {
            Ok(Rule)
        }

        fn after_render(&self, on: &Subject, text: &str) -> Result<Verdict, PluginError> {
            let last = crate::kv::get(&on.prompt)?;
            crate::kv::set(&on.prompt, text.as_bytes())?;
            Ok(match last {
                Some(last) if last == text.as_bytes() => Verdict::Replace("the same".into()),
                _ => Verdict::Pass,
            })
        }

        fn before_promote(&self, promotion: &Promotion) -> Result<Verdict, PluginError> {
            Ok(match promotion.on.params()?.contains_key("model") {
                true => Verdict::Pass,
                false => Verdict::refuse("no_model", format!("name a model for {}", promotion.to)),
            })
        }
    }

    type Exported = super::Exported<Rule>;

    crate::px0_plugin!(hook: Rule);

    fn subject(model_params: Option<&str>) -> wit::Subject {
        wit::Subject {
            prompt: "greeting".into(),
            version: 3,
            status: "draft".into(),
            engine: "minijinja".into(),
            model: None,
            model_params: model_params.map(str::to_owned),
        }
    }

    #[test]
    fn a_hook_is_asked_at_its_points() {
        instance::keep::<Rule>(None);
        assert_eq!(Exported::points(), [wit::Point::AfterRender, wit::Point::BeforePromote]);
        let early = Exported::after_render(subject(None), "text".into());
        assert!(matches!(early, Err(types::PluginError::Failed(_))));

        Exported::configure("{}".into()).unwrap();
        let first = Exported::after_render(subject(None), "text".into()).unwrap();
        assert!(matches!(first, wit::Verdict::Pass));
        let second = Exported::after_render(subject(None), "text".into()).unwrap();
        assert!(matches!(second, wit::Verdict::Replace(text) if text == "the same"));
        let unasked = Exported::before_render(subject(None), "{}".into()).unwrap();
        assert!(matches!(unasked, wit::Verdict::Pass));
    }

    #[test]
    fn a_hook_is_asked_at_promotion() {
        Exported::configure("{}".into()).unwrap();
        let ask = |params| {
            Exported::before_promote(subject(params), "live".into(), String::new(), Vec::new())
        };
        assert!(matches!(ask(Some(r#"{"model": "m"}"#)), Ok(wit::Verdict::Pass)));
        let Ok(wit::Verdict::Refuse(refusal)) = ask(None) else {
            panic!("a refusal is expected");
        };
        assert_eq!((&*refusal.code, &*refusal.reason), ("no_model", "name a model for live"));
        assert!(matches!(ask(Some("[]")), Err(types::PluginError::Failed(_))));
    }

    #[test]
    fn settings_that_do_not_fit_are_refused() {
        let error = Exported::configure(r#"{"unknown": 1}"#.into()).unwrap_err();
        assert!(matches!(error, types::PluginError::Settings(_)));
    }
}
