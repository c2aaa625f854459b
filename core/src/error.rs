//! The one error of core: a stable code, a sentence for a person, details for a program.
//!
//! Which to use where: a rule about a value is [`Error::field`]; a thing that is not there, or that
//! the caller may not know of, is [`Error::not_found`] (the same words for both, always); a store's
//! [`crate::store::StoreError`] becomes one of these by `From`. What went wrong inside is
//! [`Error::internal`]: its cause is for the log, never for a client.

use std::borrow::Cow;

use serde_json::{Value, json};

/// Declares every code with its class and what it means, so that none is undocumented.
macro_rules! codes {
    ($($class:ident { $($code:ident = $text:literal : $doc:literal,)* })*) => {
        /// What went wrong, in a form that never changes: the `code` of an error answer.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code { $($(#[doc = $doc] $code,)*)* }

        impl Code {
            /// Every code there is.
            pub const ALL: &'static [Self] = &[$($(Self::$code,)*)*];

            /// The code as clients see it.
            pub const fn as_str(self) -> &'static str {
                match self { $($(Self::$code => $text,)*)* }
            }

            /// What kind of failure it is.
            pub const fn class(self) -> Class {
                match self { $($(Self::$code => Class::$class,)*)* }
            }

            /// What it means, in one sentence.
            pub const fn meaning(self) -> &'static str {
                match self { $($(Self::$code => $doc,)*)* }
            }
        }
    };
}

/// A kind of failure; HTTP gives each a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// The request makes no sense as it is.
    Invalid,
    /// Nobody, or not who they say.
    Unauthenticated,
    /// Known, but may not.
    Forbidden,
    /// Not there, or not for the caller to know.
    NotFound,
    /// The path exists, the method does not.
    MethodNotAllowed,
    /// The body took too long to arrive.
    RequestTimeout,
    /// Against the present state.
    Conflict,
    /// The body is too large.
    BodyTooLarge,
    /// The body is not JSON.
    UnsupportedMediaType,
    /// Well-formed, but cannot be done to this thing.
    Unprocessable,
    /// Too often.
    TooMany,
    /// A fault of the server's own.
    Internal,
    /// Something that the server relies on gave no answer that can be used.
    BadGateway,
    /// Not now.
    Unavailable,
}

codes! {
    Invalid {
        InvalidJson = "invalid_json": "The body is not JSON, or not an object.",
        InvalidId = "invalid_id": "An id in the path or query is not a UUID in its hyphenated form.",
        InvalidPath = "invalid_path": "The path cannot be read: not UTF-8, or with a NUL in it.",
        InvalidQuery = "invalid_query": "A query parameter has a value that it cannot have, or contradicts another.",
        InvalidHeader = "invalid_header": "A header is absent that must be there, is there twice, or has a value that it cannot have; `details.header` names it.",
        InvalidCursor = "invalid_cursor": "The cursor was not made by this list.",
        MissingField = "missing_field": "A required field of the body, or a required query parameter, is absent.",
        InvalidField = "invalid_field": "A field of the body has a value that it cannot have; `details.field` names it.",
        NulCharacter = "nul_character": "There is a NUL character somewhere in the request.",
        TooLarge = "too_large": "A field is larger than it may be; `details.max` is the most bytes it may have.",
        WeakPassword = "weak_password": "The password lacks what `details.missing` lists.",
        InvalidSettings = "invalid_settings": "The plugin does not take these settings; `details.errors` says how they break its schema.",
        InvalidTemplate = "invalid_template": "The template does not compile; `details` has the line and the column.",
        InvalidSchema = "invalid_schema": "`variables_schema` is not a JSON Schema 2020-12.",
        UnknownEngine = "unknown_engine": "No such template engine is installed; `details.engines` lists those that are.",
        InvalidVerificationCode = "invalid_verification_code": "The code is wrong, too old, or was tried too often.",
        InvalidResetCode = "invalid_reset_code": "The reset code is wrong, too old, or already used.",
        AlreadyMember = "already_member": "The caller is a member of this team already.",
        NotInOrganization = "not_in_organization": "The user belongs to no team of this organization.",
        AlreadyResolved = "already_resolved": "The join request was approved or rejected before.",
        OtherOrganization = "other_organization": "A prompt can only move between teams of one organization.",
    }
    Unauthenticated {
        Unauthorized = "unauthorized": "There is no token, or it is not (or no longer) valid.",
        InvalidCredentials = "invalid_credentials": "The e-mail address or the password is wrong.",
    }
    Forbidden {
        AccessTokenRequired = "access_token_required": "Only a person can do this: use a session token, not an API key.",
        Forbidden = "forbidden": "The caller can see this, but lacks the role to do it.",
        UserNotVerified = "user_not_verified": "The e-mail address must be verified before the first login.",
    }
    NotFound {
        NotFound = "not_found": "It does not exist, or the caller cannot reach it.",
        RouteNotFound = "route_not_found": "There is no such path.",
        NoLiveVersion = "no_live_version": "No version of this prompt is live.",
    }
    MethodNotAllowed {
        MethodNotAllowed = "method_not_allowed": "The path has no such method; the `Allow` header lists those it has.",
    }
    RequestTimeout {
        RequestTimeout = "request_timeout": "The request was not complete in time.",
    }
    Conflict {
        EmailTaken = "email_taken": "Another user has this e-mail address.",
        NameTaken = "name_taken": "Another one here has this name.",
        PromptTaken = "prompt_taken": "A prompt of the team has this name or slug.",
        AmbiguousSlug = "ambiguous_slug": "Several teams of the caller's have a prompt with this slug; `details.candidates` lists them, `?team_id=` settles it.",
        LastAdmin = "last_admin": "It would leave an organization, or a team with members, without an admin.",
        DefaultTeam = "default_team": "The Default Team goes only with its organization.",
        TeamOwnsPrompts = "team_owns_prompts": "The team still owns prompts; `?force=true` deletes them too.",
        MemberExists = "member_exists": "The user is a member of this team already.",
        RequestPending = "request_pending": "A join request of the caller's is pending for this team.",
        PromptArchived = "prompt_archived": "An archived prompt renders, but cannot be changed until it is restored.",
        PluginValuesFull = "plugin_values_full": "The plugin keeps as many values for the organization as it may.",
        VersionChanged = "version_changed": "The version was changed while plugins looked at it; try again.",
    }
    BodyTooLarge {
        BodyTooLarge = "body_too_large": "The body is larger than the server takes; `details.max` is the most bytes it may have.",
    }
    UnsupportedMediaType {
        UnsupportedMediaType = "unsupported_media_type": "The body must be sent as application/json.",
    }
    Unprocessable {
        NotDraft = "not_draft": "Only draft versions can be changed or deleted.",
        CannotPromote = "cannot_promote": "Only draft and stable versions can be promoted.",
        CannotDemote = "cannot_demote": "Only live versions can be demoted.",
        AlreadyArchived = "already_archived": "The version is archived already.",
        PluginRefused = "plugin_refused": "A plugin of the organization said no; `details.code` and `details.reason` say why.",
        ExecutionFailed = "execution_failed": "The template stopped with an error of its own; `details.line` says where.",
        RenderLimit = "render_limit": "The render ran into a limit; `details.limit` is fuel, memory, time or output.",
        MissingVariables = "missing_variables": "Variables that the render needs are absent or null; `details.missing` lists them all.",
        InvalidVariables = "invalid_variables": "The variables break the version's schema; `details.errors` says how.",
    }
    TooMany {
        RateLimited = "rate_limited": "Too many tries; the `Retry-After` header says how many seconds to wait.",
    }
    Internal {
        Internal = "internal": "The server failed; `details.request_id` finds the cause in its log.",
    }
    BadGateway {
        PluginFailed = "plugin_failed": "A plugin that is needed for the answer failed, or is not asked for a minute because it failed again and again.",
    }
    Unavailable {
        Unavailable = "unavailable": "The store does not answer, or the server is too busy; try again, after the seconds of the `Retry-After` header if there is one.",
        ReadOnly = "read_only": "The store takes no writes at present (its disk is full, or failed); reads and renders go on. Try again after the seconds of the `Retry-After` header.",
        NotReady = "not_ready": "px0 is starting, or lacks something that it needs; `details.checks` says what.",
    }
}

/// A failure, as the layers above core see it.
#[derive(Debug)]
pub struct Error {
    /// What went wrong.
    pub code: Code,
    /// The same for a person: one sentence, lower case.
    pub message: Cow<'static, str>,
    /// The same for a program: an object, or nothing.
    pub details: Option<Value>,
    /// The cause, for the log only.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What core answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of this code, in these words.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), details: None, source: None }
    }

    /// A rule about one field of a request.
    pub fn field(code: Code, field: &str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(code, message).with_details(json!({ "field": field }))
    }

    /// A required field is absent.
    pub fn missing(field: &'static str) -> Self {
        Self::field(Code::MissingField, field, format!("{field} is required"))
    }

    /// A field has more bytes than it may have.
    pub fn too_large(field: &str, max: usize) -> Self {
        Self::new(Code::TooLarge, format!("{field} must have at most {max} bytes"))
            .with_details(json!({ "field": field, "max": max }))
    }

    /// `thing` is not there, or not for the caller to know of: the same answer for both.
    pub fn not_found(thing: &str) -> Self {
        Self::new(Code::NotFound, format!("{thing} not found"))
    }

    /// The caller can see it, but may not do this.
    pub fn forbidden() -> Self {
        Self::new(Code::Forbidden, "your role does not allow this")
    }

    /// Too many tries; there may be another in so many seconds.
    pub fn rate_limited(seconds: u64) -> Self {
        let message = format!("too many tries; please wait {seconds} seconds");
        Self::new(Code::RateLimited, message).with_details(json!({ "retry_after": seconds }))
    }

    /// The server cannot take more of `what` at present; in so many seconds it may.
    pub fn busy(what: &'static str, seconds: u64) -> Self {
        let message = format!("{what}; please try again in {seconds} seconds");
        Self::new(Code::Unavailable, message).with_details(json!({ "retry_after": seconds }))
    }

    /// The server's own failure; `source` goes to the log.
    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self {
            code: Code::Internal,
            message: "internal server error".into(),
            details: None,
            source: Some(source.into()),
        }
    }

    /// With these details.
    #[must_use]
    pub fn with_details(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_distinct_snake_case_words() {
        let texts: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(texts.len(), Code::ALL.len());
        for text in texts {
            assert!(text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{text}");
        }
    }
}
