//! Who may do what: one table, from which the check, the documentation and the matrix test are made.
//!
//! Every operation of the contract has a row. A row says who may call at all ([`Callers`]), what
//! role a person needs and where ([`Needs`]), and what an API key needs ([`KeyNeeds`]).

use crate::{key::KeyOperation, tenancy::Role};

/// Who may call an operation at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callers {
    /// Anybody; a token is not looked at.
    Anyone,
    /// Anybody; a token that is given must be a person's, and valid.
    AnyoneOrPerson,
    /// A person, by a session.
    Person,
    /// A person or an API key.
    PersonOrKey,
}

/// What a person needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing more: it is about the caller alone, or the operation has a rule of its own, which its handler states.
    Nothing,
    /// To have registered by themselves.
    Founder,
    /// To be in the organization that the path names.
    OrgMember,
    /// To be admin of the organization that the path names.
    OrgAdmin,
    /// To be in the organization of the team that the path names.
    TeamPeer,
    /// At least this role on the team that the path names, or that owns the prompt that the path names.
    Team(Role),
}

/// What an API key needs. A key reaches the teams of its scope and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyNeeds {
    /// No key may: `access token required`.
    Never,
    /// Keys may call, and are refused: what they reach does not include this.
    Refused,
    /// At least this operation.
    Operation(KeyOperation),
    /// At least this operation, and to reach every team of the organization.
    OrgWide(KeyOperation),
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Who may call at all.
    pub callers: Callers,
    /// What a person needs.
    pub needs: Needs,
    /// What an API key needs.
    pub key: KeyNeeds,
}

macro_rules! operations {
    ($($tag:literal { $($operation:ident = $id:literal : $callers:ident, $needs:expr, $key:expr;)* })*) => {
        /// An operation of the contract.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "api.md documents them; `id` is what it calls them")]
        pub enum Operation { $($($operation,)*)* }

        impl Operation {
            /// Every operation, in the order of the contract.
            pub const ALL: &'static [Self] = &[$($(Self::$operation,)*)*];

            /// Its `operationId`.
            pub const fn id(self) -> &'static str {
                match self { $($(Self::$operation => $id,)*)* }
            }

            /// The group that documentation lists it in.
            pub const fn tag(self) -> &'static str {
                match self { $($(Self::$operation)|* => $tag,)* }
            }

            /// Whether its body holds templates, variables, schemas or settings, and may be as large as these. All others fit
            /// into a few kilobytes.
            pub const fn takes_documents(self) -> bool {
                matches!(
                    self,
                    Self::RenderLive
                        | Self::RenderVersion
                        | Self::CreateVersion
                        | Self::UpdateVersion
                        | Self::CreatePromptPayload
                        | Self::UpdatePromptPayload
                        | Self::SetOrgPlugin
                )
            }

            /// Its row.
            pub const fn rule(self) -> Rule {
                use KeyOperation::{Admin as AdminKey, All as AllKey, ReadRender};
                use Needs::*;
                use KeyNeeds::{Never, Refused, Operation as Key, OrgWide};
                use Role::{Admin, Editor, Viewer};
                match self {
                    $($(Self::$operation => Rule { callers: Callers::$callers, needs: $needs, key: $key },)*)*
                }
            }
        }
    };
}

operations! {
    "Health" {
        HealthCheck = "healthCheck": Anyone, Nothing, Never;
        Readiness = "readinessCheck": Anyone, Nothing, Never;
        ServerVersion = "serverVersion": Anyone, Nothing, Never;
    }
    "Auth" {
        Register = "register": AnyoneOrPerson, Nothing, Never;
        Login = "login": Anyone, Nothing, Never;
        Logout = "logout": Anyone, Nothing, Never;
        TriggerVerificationEmail = "triggerVerificationEmail": Anyone, Nothing, Never;
        VerifyEmail = "verifyEmail": Anyone, Nothing, Never;
        TriggerPasswordReset = "triggerPasswordReset": Anyone, Nothing, Never;
        ResetPassword = "resetPassword": Anyone, Nothing, Never;
    }
    "Profile" {
        Me = "me": Person, Nothing, Never;
        UpdateMe = "updateMe": Person, Nothing, Never;
        DeleteMe = "deleteMe": Person, Nothing, Never;
        ChangePassword = "changePassword": Person, Nothing, Never;
        ListUserOrgs = "listUserOrgs": Person, Nothing, Never;
        ListUserTeams = "listUserTeams": Person, Nothing, Never;
    }
    "Teams" {
        LeaveTeam = "leaveTeam": Person, Nothing, Never;
        CreateJoinRequest = "createJoinRequest": Person, TeamPeer, Never;
    }
    "Inbox" {
        GetAdminInbox = "getAdminInbox": Person, Nothing, Never;
        ResolveJoinRequest = "resolveJoinRequest": Person, Nothing, Never;
    }
    "Organizations" {
        CreateOrg = "createOrg": Person, Founder, Never;
        UpdateOrg = "updateOrg": Person, OrgAdmin, Never;
        DeleteOrg = "deleteOrg": Person, OrgAdmin, Never;
        ListOrgPeople = "listOrgPeople": PersonOrKey, OrgMember, OrgWide(AdminKey);
        RemoveOrgMember = "removeOrgMember": PersonOrKey, OrgAdmin, Refused;
    }
    "Plugins" {
        ListPlugins = "listPlugins": Person, Nothing, Never;
        ListOrgPlugins = "listOrgPlugins": Person, OrgAdmin, Never;
        SetOrgPlugin = "setOrgPlugin": Person, OrgAdmin, Never;
    }
    "Team Management" {
        CreateTeam = "createTeam": PersonOrKey, OrgAdmin, OrgWide(AdminKey);
        ListOrgTeams = "listOrgTeams": PersonOrKey, OrgMember, OrgWide(AdminKey);
        UpdateTeam = "updateTeam": PersonOrKey, Team(Editor), Key(AdminKey);
        DeleteTeam = "deleteTeam": PersonOrKey, Team(Editor), Key(AdminKey);
    }
    "User Management" {
        ListTeamMembers = "listTeamMembers": PersonOrKey, Team(Viewer), Key(AdminKey);
        AddTeamMember = "addTeamMember": PersonOrKey, Team(Admin), Key(AdminKey);
        RemoveTeamMember = "removeTeamMember": PersonOrKey, Team(Admin), Key(AdminKey);
        UpdateTeamMemberRole = "updateTeamMemberRole": PersonOrKey, Team(Admin), Key(AdminKey);
    }
    "API Keys" {
        CreateApiKey = "createAPIKey": Person, Nothing, Never;
        ListApiKeys = "listAPIKeys": Person, Nothing, Never;
        DeleteApiKey = "deleteAPIKey": Person, Nothing, Never;
    }
    "Prompts" {
        CreatePrompt = "createPrompt": PersonOrKey, Team(Editor), Key(AllKey);
        ListPrompts = "listPrompts": PersonOrKey, Team(Viewer), Key(ReadRender);
        ListAllPrompts = "listAllPrompts": PersonOrKey, Team(Viewer), Key(ReadRender);
        GetPrompt = "getPrompt": PersonOrKey, Team(Viewer), Key(ReadRender);
        UpdatePrompt = "updatePrompt": PersonOrKey, Team(Editor), Key(AllKey);
        ArchivePrompt = "archivePrompt": PersonOrKey, Team(Admin), Key(AdminKey);
        RestorePrompt = "restorePrompt": PersonOrKey, Team(Admin), Key(AdminKey);
        MovePrompt = "movePrompt": PersonOrKey, Team(Admin), Key(AdminKey);
    }
    "Prompt Versions" {
        CreateVersion = "createVersion": PersonOrKey, Team(Editor), Key(AllKey);
        ListVersions = "listVersions": PersonOrKey, Team(Viewer), Key(ReadRender);
        DiffVersions = "diffVersions": PersonOrKey, Team(Viewer), Key(ReadRender);
        GetVersion = "getVersion": PersonOrKey, Team(Viewer), Key(ReadRender);
        UpdateVersion = "updateVersion": PersonOrKey, Team(Editor), Key(AllKey);
        DeletePromptVersion = "deletePromptVersion": PersonOrKey, Team(Editor), Key(AllKey);
        PromoteVersion = "promoteVersion": PersonOrKey, Team(Editor), Key(AllKey);
        DemoteVersion = "demoteVersion": PersonOrKey, Team(Editor), Key(AllKey);
        ArchiveVersion = "archiveVersion": PersonOrKey, Team(Editor), Key(AllKey);
        DuplicateVersion = "duplicateVersion": PersonOrKey, Team(Editor), Key(AllKey);
        SetVersionTag = "setVersionTag": PersonOrKey, Team(Editor), Key(AllKey);
        ListVersionTags = "listVersionTags": PersonOrKey, Team(Viewer), Key(ReadRender);
        RemoveVersionTag = "removeVersionTag": PersonOrKey, Team(Editor), Key(AllKey);
    }
    "Prompt Payloads" {
        CreatePromptPayload = "createPromptPayload": PersonOrKey, Team(Editor), Key(AllKey);
        ListPromptPayloads = "listPromptPayloads": PersonOrKey, Team(Viewer), Key(ReadRender);
        GetPromptPayload = "getPromptPayload": PersonOrKey, Team(Viewer), Key(ReadRender);
        UpdatePromptPayload = "updatePromptPayload": PersonOrKey, Team(Editor), Key(AllKey);
        DeletePromptPayload = "deletePromptPayload": PersonOrKey, Team(Editor), Key(AllKey);
    }
    "Prompt Renders" {
        RenderLive = "renderLive": PersonOrKey, Team(Viewer), Key(ReadRender);
        RenderVersion = "renderVersion": PersonOrKey, Team(Viewer), Key(ReadRender);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_have_ids_of_their_own() {
        let ids: std::collections::BTreeSet<_> = Operation::ALL.iter().map(|op| op.id()).collect();
        assert_eq!(
            (Operation::ALL.len(), ids.len()),
            (67, 67),
            "the 62 of the contract, three about plugins, readiness, and the version"
        );
    }

    #[test]
    fn a_key_may_only_where_keys_may_call() {
        for operation in Operation::ALL {
            let rule = operation.rule();
            let may = rule.callers == Callers::PersonOrKey;
            assert_eq!(may, rule.key != KeyNeeds::Never, "{}", operation.id());
        }
    }
}
