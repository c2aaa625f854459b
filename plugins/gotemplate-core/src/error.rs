//! What can be wrong with a template, and with a render of it.

use std::{error::Error, fmt};

/// A place in the source of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// From 1.
    pub(crate) line: u32,
    /// From 1, in characters.
    pub(crate) column: u32,
}

impl Position {
    /// Where a source begins.
    pub(crate) const START: Position = Position { line: 1, column: 1 };

    /// An error at this place.
    pub(crate) fn error(self, message: impl Into<String>) -> TemplateError {
        TemplateError { message: message.into(), line: Some(self.line), column: Some(self.column) }
    }
}

/// What is wrong with a template, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// One sentence, lower case, without a position in it.
    pub message: String,
    /// The line, from 1.
    pub line: Option<u32>,
    /// The column, from 1, counted in characters (Unicode scalar values).
    pub column: Option<u32>,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(line) = self.line {
            write!(f, " (line {line}")?;
            if let Some(column) = self.column {
                write!(f, ", column {column}")?;
            }
            f.write_str(")")?;
        }
        Ok(())
    }
}

impl Error for TemplateError {}

/// Why a render gave no text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RenderError {
    /// The template stopped with an error of its own, or the variables are not a JSON object.
    Execution(TemplateError),
    /// Variables that the template needed and did not get: every one of them, sorted, each once,
    /// dotted inside objects and lists (`user.name`, `messages.0.content`).
    Missing(Vec<String>),
    /// The text would have been longer than allowed.
    Output,
}

impl fmt::Display for RenderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RenderError::Execution(error) => write!(f, "template execution failed: {error}"),
            RenderError::Missing(names) => write!(f, "missing variables: {}", names.join(", ")),
            RenderError::Output => f.write_str("the rendered text is too long"),
        }
    }
}

impl Error for RenderError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            RenderError::Execution(error) => Some(error),
            RenderError::Missing(_) | RenderError::Output => None,
        }
    }
}
