//! Versions of a prompt.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    error::{Code, Error, Result},
    ids::{PromptId, VersionId},
    json::JsonText,
    lifecycle::Status,
    page::Weigh,
    render::EngineName,
    tag::TagName,
};

/// What a version says, apart from where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// The template.
    pub template: Arc<str>,
    /// The engine that renders it.
    pub engine: EngineName,
    /// The model it is meant for; px0 hands it on.
    pub model: Option<ModelName>,
    /// Parameters for the model, a JSON object; px0 hands them on.
    pub model_params: Option<JsonText>,
    /// A JSON Schema 2020-12 that variables must fit.
    pub variables_schema: Option<JsonText>,
}

/// The name of a model: trimmed, 1 to 200 characters, no control characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ModelName(String);

impl ModelName {
    /// Parses the name of a model.
    ///
    /// # Errors
    /// [`Code::InvalidField`] when it is empty, too long, or has control characters.
    pub fn parse(text: &str) -> Result<Self> {
        let name = text.trim();
        if !(1..=200).contains(&name.chars().count()) || name.chars().any(char::is_control) {
            return Err(Error::field(
                Code::InvalidField,
                "model",
                "model must have 1 to 200 characters, none of them control characters",
            ));
        }
        Ok(Self(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A version of a prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Which.
    pub id: VersionId,
    /// Of which prompt.
    pub prompt_id: PromptId,
    /// Its number, from 1; never given to another version of the prompt, also after it is deleted.
    pub number: u32,
    /// Where it stands.
    pub status: Status,
    /// What it says.
    pub body: Body,
    /// Since when.
    pub created_at: Timestamp,
    /// When it was last changed or moved.
    pub updated_at: Timestamp,
    /// When it last became live; `None` when it never was.
    pub published_at: Option<Timestamp>,
    /// Its tags, in byte order; in an archive they are records of their own.
    #[serde(skip)]
    pub tags: Vec<TagName>,
}

impl Weigh for Version {
    fn weight(&self) -> usize {
        let json = |json: &Option<JsonText>| json.as_ref().map_or(0, |json| json.as_str().len());
        let Body { template, model_params, variables_schema, .. } = &self.body;
        template.len() + json(model_params) + json(variables_schema)
    }
}

/// What to change of a draft; `None` leaves it as it is, `Some(None)` clears it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BodyChange {
    /// Another template.
    pub template: Option<Arc<str>>,
    /// Another engine.
    pub engine: Option<EngineName>,
    /// Another model, or none.
    pub model: Option<Option<ModelName>>,
    /// Other parameters, or none.
    pub model_params: Option<Option<JsonText>>,
    /// Another schema, or none.
    pub variables_schema: Option<Option<JsonText>>,
}

impl BodyChange {
    /// Whether nothing is to be changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Changes `body`.
    pub fn apply(self, body: &mut Body) {
        fn set<T>(place: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *place = value;
            }
        }
        set(&mut body.template, self.template);
        set(&mut body.engine, self.engine);
        set(&mut body.model, self.model);
        set(&mut body.model_params, self.model_params);
        set(&mut body.variables_schema, self.variables_schema);
    }
}

/// Which versions of a prompt to list; all conditions must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionFilter {
    /// Only those of this status.
    pub status: Option<Status>,
    /// Only those that have one of these tags; empty for all.
    pub tags: Vec<TagName>,
}

impl VersionFilter {
    /// Whether `version` is of the status and has one of the tags.
    pub fn admits(&self, version: &Version) -> bool {
        self.status.is_none_or(|status| version.status == status)
            && (self.tags.is_empty() || self.tags.iter().any(|tag| version.tags.contains(tag)))
    }
}
