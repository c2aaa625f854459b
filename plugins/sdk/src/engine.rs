//! Template languages.

use std::{error::Error, fmt, marker::PhantomData};

use crate::{excerpt, instance};

/// A template of a language. One instance of the plugin is one template.
///
/// What the interface asks for in form is seen to here: names of variables are sorted and said once,
/// and a text that is longer than allowed does not get out.
///
/// Functions that other plugins lend are in [`functions`](crate::functions).
pub trait Engine: Sized + 'static {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong with it, and where; also a function that neither the language nor
    /// [`functions`](crate::functions) has, and asking for another template.
    fn compile(source: &str) -> Result<Self, TemplateError>;

    /// The names that the template takes from its variables (top level only).
    fn variables(&self) -> Vec<String>;

    /// Renders the template. `variables` is JSON, always an object, nested no deeper than 128
    /// levels. Languages that write piece by piece should stop at `max_output` bytes.
    ///
    /// # Errors
    /// See [`RenderError`]. A render never passes over a missing variable in silence.
    fn render(&self, variables: &str, max_output: usize) -> Result<String, RenderError>;
}

/// What is wrong with a template, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// One sentence, lower case, without a position in it.
    pub message: String,
    /// The line, from 1.
    pub line: Option<u32>,
    /// The column, from 1, counted in characters (Unicode scalar values), not in bytes.
    pub column: Option<u32>,
    /// The lines around the place with a caret under it, for a fixed-width font.
    pub excerpt: Option<String>,
}

impl TemplateError {
    /// An error without a place.
    pub fn new(message: impl Into<String>) -> TemplateError {
        TemplateError { message: message.into(), line: None, column: None, excerpt: None }
    }

    /// An error at the byte `offset` of `source`: line, column and excerpt are found there.
    pub fn at(source: &str, offset: usize, message: impl Into<String>) -> TemplateError {
        let (line, column) = excerpt::position(source, offset);
        TemplateError { line: Some(line), column: Some(column), ..TemplateError::new(message) }
            .with_excerpt(source)
    }

    /// The error with the lines of `source` around its line and column, if it has them.
    pub fn with_excerpt(self, source: &str) -> TemplateError {
        let excerpt = self.line.zip(self.column);
        let excerpt = excerpt.and_then(|(line, column)| excerpt::excerpt(source, line, column));
        TemplateError { excerpt, ..self }
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match (self.line, self.column) {
            (Some(line), Some(column)) => write!(f, " (line {line}, column {column})"),
            (Some(line), None) => write!(f, " (line {line})"),
            (None, _) => Ok(()),
        }
    }
}

impl Error for TemplateError {}

/// Why a render gave no text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RenderError {
    /// The template stopped with an error of its own.
    Execution(TemplateError),
    /// Variables that the template needed and did not get: every one of them, dotted inside objects
    /// and lists (`user.name`, `messages.0.content`).
    Missing(Vec<String>),
    /// The text would have been longer than allowed.
    Output,
}

impl fmt::Display for RenderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RenderError::Execution(error) => error.fmt(f),
            RenderError::Missing(names) => write!(f, "missing variables: {}", names.join(", ")),
            RenderError::Output => f.write_str("the rendered text is too long"),
        }
    }
}

impl Error for RenderError {}

impl From<TemplateError> for RenderError {
    fn from(error: TemplateError) -> RenderError {
        RenderError::Execution(error)
    }
}

/// The names sorted, each once.
fn tidy(mut names: Vec<String>) -> Vec<String> {
    names.sort_unstable();
    names.dedup();
    names
}

#[doc(hidden)]
#[allow(missing_docs, unsafe_code, unreachable_pub, clippy::all)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../wit/px0-plugin-0.1.0",
        world: "engine-plugin",
        pub_export_macro: true,
        export_macro_name: "export_engine",
        default_bindings_module: "px0_plugin::engine::bindings",
    });
}

use bindings::exports::px0::plugin::template_engine as wit;

/// An engine as px0 calls it.
#[doc(hidden)]
pub struct Exported<T>(PhantomData<T>);

/// Compiles for what [`px0_plugin!`](crate::px0_plugin) can export.
#[doc(hidden)]
pub fn exportable<T: wit::Guest>() {}

impl<T: Engine> wit::Guest for Exported<T> {
    fn compile(source: String) -> Result<(), wit::TemplateError> {
        match T::compile(&source) {
            Ok(template) => {
                instance::keep(Some(template));
                Ok(())
            }
            Err(error) => {
                instance::keep::<T>(None);
                Err(error.into())
            }
        }
    }

    fn variables() -> Vec<String> {
        instance::with(|template: Option<&T>| {
            template.map(|template| tidy(template.variables())).unwrap_or_default()
        })
    }

    fn render(variables: String, max_output: u32) -> Result<String, wit::RenderError> {
        instance::with(|template: Option<&T>| {
            let template = template.ok_or_else(|| TemplateError::new("no template was compiled"));
            let text = template
                .map_err(RenderError::from)
                .and_then(|template| template.render(&variables, max_output as usize))?;
            let fits = text.len() <= max_output as usize;
            fits.then_some(text).ok_or(wit::RenderError::Output)
        })
    }
}

impl From<TemplateError> for wit::TemplateError {
    fn from(error: TemplateError) -> wit::TemplateError {
        let TemplateError { message, line, column, excerpt } = error;
        wit::TemplateError { message, line, column, excerpt }
    }
}

impl From<RenderError> for wit::RenderError {
    fn from(error: RenderError) -> wit::RenderError {
        match error {
            RenderError::Execution(error) => wit::RenderError::Execution(error.into()),
            RenderError::Missing(names) => wit::RenderError::Missing(tidy(names)),
            RenderError::Output => wit::RenderError::Output,
        }
    }
}

/// Exports an engine.
#[doc(hidden)]
#[macro_export]
macro_rules! __px0_plugin_engine {
    ($plugin:ty) => {
        $crate::__px0_plugin_export!(engine, export_engine, $plugin);
    };
}

#[cfg(test)]
mod tests {
    use wit::Guest;

    use super::*;

    /// Templates that are their own text, and list their words as variables.
    struct Plain(String);

    impl Engine for Plain {
        fn compile(source: &str) -> Result<Self, TemplateError> {
            match source.find('!') {
                Some(at) => Err(TemplateError::at(source, at, "no shouting")),
                None => Ok(Plain(source.to_owned())),
            }
        }

        fn variables(&self) -> Vec<String> {
            self.0.split(' ').map(str::to_owned).collect()
        }

        fn render(&self, variables: &str, _: usize) -> Result<String, RenderError> {
            match variables {
                "{}" => Err(RenderError::Missing(self.variables())),
                _ => Ok(self.0.clone()),
            }
        }
    }

    type Exported = super::Exported<Plain>;

    crate::px0_plugin!(engine: Plain);

    #[test]
    fn an_instance_is_one_template() {
        instance::keep::<Plain>(None);
        assert_eq!(Exported::variables(), [""; 0]);
        let wit::RenderError::Execution(error) = Exported::render("{}".into(), 9).unwrap_err()
        else {
            panic!("an execution error is expected");
        };
        assert_eq!(error.message, "no template was compiled");

        Exported::compile("b a b".into()).unwrap();
        assert_eq!(Exported::variables(), ["a", "b"]);
        assert_eq!(Exported::render(r#"{"a":1}"#.into(), 5).unwrap(), "b a b");
        assert!(matches!(Exported::render(r#"{"a":1}"#.into(), 4), Err(wit::RenderError::Output)));
        let Err(wit::RenderError::Missing(names)) = Exported::render("{}".into(), 5) else {
            panic!("missing variables are expected");
        };
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn a_template_that_cannot_be_read_leaves_none_behind() {
        Exported::compile("a".into()).unwrap();
        let error = Exported::compile("one\nan error!".into()).unwrap_err();
        assert_eq!((error.line, error.column), (Some(2), Some(9)));
        assert_eq!(error.excerpt.unwrap(), "1 | one\n2 | an error!\n  |         ^");
        assert!(Exported::variables().is_empty());
    }
}
