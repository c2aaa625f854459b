//! What every backend promises.
//!
//! The traits are small, and **each method is one atomic step**: it happens whole or not at all, nobody
//! sees half of it, and two at once give the result of one after the other. A write that was answered
//! with `Ok` is kept, also when the process is killed right after. The laws of each method stand
//! under "# Behavior"; they are the names of the conformance tests that every backend passes.
//!
//! Common to all methods:
//! - A thing that is named and not there is [`StoreError::Missing`]; a rule that is broken is
//!   [`StoreError::Refused`]; after either nothing has changed.
//! - Where several apply: what is missing before what is refused.
//! - The list of what belongs to something absent is empty for `teams`, `prompts`, `keys` and `org_plugins` (and for a
//!   user's own lists), and `Missing` for `people`, `members`, `versions`, `tags` and `payloads`.
//! - The one refusal that changes something is a wrong verification code: it takes a try away.
//! - Ids and times come from the caller, so that every backend answers the same.
//! - Byte order is the order of all texts; it does not depend on a locale.

use std::{fmt, sync::Arc};

use async_trait::async_trait;

use crate::{
    clock::Timestamp,
    error::{Code, Error},
    ids::{KeyId, OrgId, TeamId, UserId},
};

mod accounts;
mod administration;
pub mod archive;
mod keys;
mod plugins;
mod prompts;
mod tenancy;
mod watch;

pub use accounts::Accounts;
pub use administration::Administration;
pub use keys::{KeyFilter, Keys};
pub use plugins::Plugins;
pub use prompts::{Found, Prompts};
pub use tenancy::{NewMember, Tenancy};
pub use watch::{Change, Told, Watcher};

/// When a write that was refused because nothing can be written may be tried again, in seconds.
const RETRY_WRITES: u64 = 5;

/// All that px0 keeps, in one place.
#[async_trait]
pub trait Store: Accounts + Administration + Tenancy + Keys + Prompts + Plugins {
    /// Whether the store can be used right now.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it cannot.
    async fn ping(&self) -> Result<StoreState>;

    /// Walks everything that is kept and says what is wrong with it, one sentence each: what cannot be read, what belongs to
    /// something that is gone, what no rule of the product allows, and what an index says otherwise. Writers may wait
    /// meanwhile.
    ///
    /// # Errors
    /// When the store cannot be read at all.
    async fn check(&self) -> Result<Vec<String>>;

    /// Tells `watcher` of every change from now on, or answers `false`: then nothing may be copied. The first watcher is
    /// the only one.
    fn watch(&self, watcher: Arc<dyn Watcher>) -> bool;

    /// Hands out every record as of one moment, in the order of [`archive`]s. Others read and write meanwhile.
    ///
    /// # Errors
    /// When something cannot be read; what the sink says.
    async fn export(&self, to: &mut archive::Sink<'_>) -> Result<()>;

    /// Takes in every record of an archive.
    ///
    /// # Behavior
    /// - All or nothing, and only into a store without users and organizations; else it is `Unavailable`. Where a backend
    ///   cannot undo a half-done import, it refuses to be opened after one.
    ///
    /// # Errors
    /// What the source says; a record that contradicts another.
    async fn import(&self, from: &mut archive::Source<'_>) -> Result<()>;

    /// What it is and where, for the start-up log: "sled at ./px0-data". Has no secret in it.
    fn summary(&self) -> String;

    /// Waits until all is on disk and lets go of files and connections.
    ///
    /// # Errors
    /// What could not be written.
    async fn close(&self) -> Result<()>;
}

/// A store, shared.
pub type SharedStore = Arc<dyn Store>;

/// What a store answers.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Who does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Nobody known: somebody who registers, or proves an address by a code.
    Anonymous,
    /// A person.
    User(UserId),
    /// A machine.
    Key(KeyId),
    /// Whoever runs px0, on its machine.
    Operator,
}

/// Who writes, and when: goes with every write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Who.
    pub by: Actor,
    /// When: the time that records get.
    pub at: Timestamp,
}

/// The teams among which something is looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Reach {
    /// Every team of these organizations.
    pub orgs: Vec<OrgId>,
    /// And these teams.
    pub teams: Vec<TeamId>,
}

/// A kind of thing that can be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    /// A person.
    User,
    /// A person who was to be added.
    UserToAdd,
    /// An organization.
    Org,
    /// A team.
    Team,
    /// A person's place in a team.
    Member,
    /// A join request.
    JoinRequest,
    /// An API key.
    Key,
    /// A prompt.
    Prompt,
    /// A version of a prompt.
    Version,
    /// A tag of a prompt.
    Tag,
    /// A sample payload of a prompt.
    Payload,
    /// A plugin that is installed.
    Plugin,
}

impl Thing {
    /// What it is called.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::UserToAdd => "user to add",
            Self::Org => "organization",
            Self::Team => "team",
            Self::Member => "member",
            Self::JoinRequest => "join request",
            Self::Key => "api key",
            Self::Prompt => "prompt",
            Self::Version => "version",
            Self::Tag => "tag",
            Self::Payload => "payload",
            Self::Plugin => "plugin",
        }
    }
}

impl From<Thing> for Error {
    fn from(thing: Thing) -> Self {
        Self::not_found(thing.as_str())
    }
}

/// A rule that a store keeps, because only an atomic step can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No two users have the same address.
    EmailTaken,
    /// Nobody is in two organizations of the same name by their own doing.
    OrgNameTaken,
    /// No two teams of an organization have the same name.
    TeamNameTaken,
    /// No two prompts of a team have the same name, or the same slug.
    PromptTaken,
    /// Somebody must be in charge.
    LastAdmin,
    /// The Default Team goes only with its organization.
    DefaultTeam,
    /// A team's prompts go only by force.
    TeamOwnsPrompts,
    /// One place in a team a person.
    MemberExists,
    /// Who is in the team need not ask.
    AlreadyMember,
    /// The user is in no team of the organization.
    NotInOrganization,
    /// One pending request a person and team.
    RequestPending,
    /// A join request is answered once.
    AlreadyResolved,
    /// A verification code is right or it is not.
    WrongCode,
    /// A reset code is right or it is not.
    WrongResetCode,
    /// An archived prompt does not change.
    PromptArchived,
    /// A prompt moves within its organization.
    OtherOrganization,
    /// Only drafts change.
    NotDraftToChange,
    /// Only drafts are deleted.
    NotDraftToDelete,
    /// Only drafts and stable versions are promoted.
    CannotPromote,
    /// Only live versions are demoted.
    CannotDemote,
    /// Archived once is archived.
    AlreadyArchived,
    /// A step was to be taken from what somebody saw, and that was changed since.
    VersionChanged,
    /// What a hook keeps for an organization has an end.
    PluginValuesFull,
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let (code, message) = match refusal {
            Refusal::EmailTaken => (Code::EmailTaken, "email already registered"),
            Refusal::OrgNameTaken => (
                Code::NameTaken,
                "you are in an organization with this name already; please provide another name",
            ),
            Refusal::TeamNameTaken => (
                Code::NameTaken,
                "team with this name already exists in the organization; please provide a unique name",
            ),
            Refusal::PromptTaken => (
                Code::PromptTaken,
                "prompt with this name or slug already exists; please provide a unique name",
            ),
            Refusal::LastAdmin => (
                Code::LastAdmin,
                "this would leave nobody in charge; make somebody else an admin first",
            ),
            Refusal::DefaultTeam => (
                Code::DefaultTeam,
                "the default team cannot be deleted; it goes with its organization",
            ),
            Refusal::TeamOwnsPrompts => (
                Code::TeamOwnsPrompts,
                "team still owns prompts; move them, or delete them with the team by ?force=true",
            ),
            Refusal::MemberExists => (Code::MemberExists, "user is already a member of this team"),
            Refusal::AlreadyMember => {
                (Code::AlreadyMember, "you are already a member of this team")
            }
            Refusal::NotInOrganization => {
                (Code::NotInOrganization, "user is not a member of this organization")
            }
            Refusal::RequestPending => {
                (Code::RequestPending, "a join request for this team is already pending")
            }
            Refusal::AlreadyResolved => {
                (Code::AlreadyResolved, "join request has already been resolved")
            }
            Refusal::WrongCode => (Code::InvalidVerificationCode, "invalid verification code"),
            Refusal::WrongResetCode => {
                (Code::InvalidResetCode, "invalid or expired password reset code")
            }
            Refusal::PromptArchived => {
                (Code::PromptArchived, "prompt is archived; restore it before changing it")
            }
            Refusal::OtherOrganization => (
                Code::OtherOrganization,
                "a prompt can only be moved to a team of the same organization",
            ),
            Refusal::NotDraftToChange => (Code::NotDraft, "only draft versions can be modified"),
            Refusal::NotDraftToDelete => (Code::NotDraft, "only draft versions can be deleted"),
            Refusal::CannotPromote => (Code::CannotPromote, "cannot promote version"),
            Refusal::CannotDemote => (Code::CannotDemote, "only live versions can be demoted"),
            Refusal::AlreadyArchived => (Code::AlreadyArchived, "version is already archived"),
            Refusal::VersionChanged => (
                Code::VersionChanged,
                "the version was changed while plugins looked at it; please try again",
            ),
            Refusal::PluginValuesFull => (
                Code::PluginValuesFull,
                "the plugin keeps as many values for the organization as it may",
            ),
        };
        Self::new(code, message)
    }
}

/// What a store that answers does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreState {
    /// It reads and writes.
    Ready,
    /// It reads; writes are [`StoreError::ReadOnly`] until what keeps it from writing has passed.
    ReadOnly,
}

/// Why a store did not do what it was asked.
#[derive(Debug)]
pub enum StoreError {
    /// What was named is not there.
    Missing(Thing),
    /// A rule forbids it.
    Refused(Refusal),
    /// The store cannot be used now; the text is for the log.
    Unavailable(String),
    /// The store takes no writes now. Nothing of this one is kept, unless px0 ends before it takes writes again: then nobody knows. The text
    /// is for the log.
    ReadOnly(String),
    /// The store failed, or holds what it cannot read; for the log.
    Broken {
        /// What was being done.
        context: String,
        /// What the driver said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StoreError {
    /// A failure of the driver's while doing `context`.
    pub fn broken(
        context: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Broken { context: context.into(), source: source.into() }
    }
}

/// Equal when a caller could not tell them apart: two failures of drivers are, whatever they say.
impl PartialEq for StoreError {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Missing(a), Self::Missing(b)) => a == b,
            (Self::Refused(a), Self::Refused(b)) => a == b,
            (Self::Unavailable(_), Self::Unavailable(_))
            | (Self::ReadOnly(_), Self::ReadOnly(_))
            | (Self::Broken { .. }, Self::Broken { .. }) => true,
            _ => false,
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(thing) => write!(f, "{} not found", thing.as_str()),
            Self::Refused(refusal) => f.write_str(&Error::from(*refusal).message),
            Self::Unavailable(why) | Self::ReadOnly(why) => f.write_str(why),
            Self::Broken { context, source } => write!(f, "{context}: {source}"),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Broken { source, .. } => Some(source.as_ref()),
            _ => None,
        }
    }
}

impl From<Thing> for StoreError {
    fn from(thing: Thing) -> Self {
        Self::Missing(thing)
    }
}

impl From<Refusal> for StoreError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Missing(thing) => thing.into(),
            StoreError::Refused(refusal) => refusal.into(),
            StoreError::Unavailable(_) => Self {
                code: Code::Unavailable,
                message: "the store is not available; please try again".into(),
                details: None,
                source: Some(Box::new(error)),
            },
            StoreError::ReadOnly(_) => {
                let message = "nothing can be written at present; reads and renders go on";
                Self { source: Some(Box::new(error)), ..Self::new(Code::ReadOnly, message) }
                    .with_details(serde_json::json!({ "retry_after": RETRY_WRITES }))
            }
            StoreError::Broken { .. } => Self::internal(error),
        }
    }
}
