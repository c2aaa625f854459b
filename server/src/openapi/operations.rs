//! What each operation takes and answers, for the documentation.

use px0_core::access::Operation as Op;
use serde_json::{Value, json};

use super::schemas::{
    any_object, count, description, email, flag, id, key_operation, list, name, named, number,
    object, or_null, password, place, place_by_number, prompt_status, request, role, slug,
    some_text, tag, tags, text, time, version_fields, version_status, words,
};
use crate::extract::LAST_PAGE;

/// An operation, as a page shows it.
pub(super) struct Doc {
    pub summary: &'static str,
    /// Who may, where that is more than a row of the access table.
    pub note: &'static str,
    pub query: Vec<(&'static str, bool, Value)>,
    pub body: Option<Value>,
    pub success: (u16, Option<Value>),
    /// Statuses of its own, beside those that any operation of its kind may answer.
    pub errors: &'static [u16],
}

fn doc(summary: &'static str, status: u16, answer: Value) -> Doc {
    Doc {
        summary,
        note: "",
        query: Vec::new(),
        body: None,
        success: (status, Some(answer)),
        errors: &[],
    }
}

fn gone(summary: &'static str) -> Doc {
    Doc { summary, note: "", query: Vec::new(), body: None, success: (204, None), errors: &[] }
}

impl Doc {
    fn takes(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    fn query(mut self, name: &'static str, schema: Value) -> Self {
        self.query.push((name, false, schema));
        self
    }

    fn needs_query(mut self, name: &'static str, schema: Value) -> Self {
        self.query.push((name, true, schema));
        self
    }

    fn note(mut self, note: &'static str) -> Self {
        self.note = note;
        self
    }

    fn fails(mut self, errors: &'static [u16]) -> Self {
        self.errors = errors;
        self
    }

    fn by_cursor(self, place: Value) -> Self {
        self.query(
            "limit",
            json!({ "type": "integer", "minimum": 1, "maximum": 1000, "default": 100 }),
        )
        .query("cursor", place)
    }

    fn by_page(self) -> Self {
        self.query(
            "page",
            json!({ "type": "integer", "minimum": 1, "maximum": LAST_PAGE, "default": 1 }),
        )
        .query("limit", json!({ "type": "integer", "minimum": 1, "maximum": 100, "default": 10 }))
    }

    fn filters_prompts(self) -> Self {
        self.query("archived", words(&["true", "false"]))
            .query("status", prompt_status())
            .query("q", text())
            .query("tag", tag())
            .by_cursor(place())
    }
}

const NEXT_CURSOR: &str = "The `cursor` of the next page. Only null is the end: a page of large things may have fewer than `limit`, \
                           and more may follow.";

fn one(field: &str, shape: &str) -> Value {
    object(&[(field, named(shape))])
}

fn many(field: &str, shape: &str) -> Value {
    object(&[(field, list(named(shape)))])
}

fn page_of(field: &str, shape: &str) -> Value {
    let mut cursor = or_null(text());
    cursor["description"] = NEXT_CURSOR.into();
    object(&[(field, list(named(shape))), ("next_cursor", cursor)])
}

fn counted(field: &str, shape: &str) -> Value {
    object(&[
        (field, list(named(shape))),
        ("page", number()),
        ("limit", number()),
        ("total", count()),
    ])
}

fn version_body(template_required: bool) -> Value {
    let template = ("template", json!({ "type": "string", "minLength": 1, "maxLength": 65536 }));
    let fields = version_fields();
    if template_required {
        return request(&[template], &fields);
    }
    let [engine, model, params, schema] = fields;
    request(&[], &[template, engine, model, params, schema])
}

/// The documentation of every operation: a new one does not compile without.
pub(super) fn of(operation: Op) -> Doc {
    let message = || named("Message");
    let version = || one("version", "PromptVersion");
    let variables = || request(&[], &[("variables", any_object())]);
    match operation {
        Op::HealthCheck => doc("Health check", 200, object(&[("status", words(&["OK"]))])),
        Op::Readiness => doc("Readiness check", 200, request(
            &[("status", words(&["ready", "read_only"])), ("checks", object(&[("store", flag()), ("engines", flag()), ("changes", flag())]))],
            &[],
        ))
            .note("Whether requests should be sent here: the store answers, what renders is compiled, and changes by others are heard of.")
            .fails(&[503]),
        Op::ServerVersion => doc("Version of the server", 200, object(&[
            ("version", text()), ("commit", or_null(text())), ("api", words(&["v1"])),
        ]))
            .note("`commit` is the one that it was built from, or null where the build did not know it."),
        Op::Register => doc("Register a new user", 201, one("user", "User"))
            .takes(request(
                &[("email", email()), ("password", password())],
                &[("team_id", or_null(id()))],
            ))
            .note("With a token, needs an admin of an organization, who registers people into its teams. Whoever is registered proves \
                   the address by the code that is mailed there, before the first login.")
            .fails(&[401, 403, 404, 409, 429]),
        Op::Login => doc(
            "Login",
            200,
            object(&[("token", text()), ("expires_at", time()), ("user", named("User"))]),
        )
        .takes(object(&[("email", email()), ("password", text())]))
        .fails(&[401, 403, 429]),
        Op::Logout => gone("Logout"),
        Op::TriggerVerificationEmail => doc("Trigger verification email", 200, message())
            .needs_query("email", email())
            .fails(&[429]),
        Op::VerifyEmail => doc("Verify user email", 200, message())
            .takes(object(&[("email", email()), ("code", text())]))
            .note("A code has five wrong tries from one address, and 50 from all together. A new code does not void former ones.")
            .fails(&[429]),
        Op::TriggerPasswordReset => doc("Trigger password reset", 200, message())
            .takes(object(&[("email", email())]))
            .fails(&[429]),
        Op::ResetPassword => {
            doc("Reset password", 200, object(&[("message", text()), ("email", text())]))
                .takes(object(&[("code", text()), ("new_password", password())]))
                .note("Verifies the address too, and ends all sessions. An account that an admin had made and nobody had verified by a code \
                       is then as if its owner had registered by themselves (`is_admin`).")
                .fails(&[429])
        }
        Op::Me => doc("Me", 200, one("user", "User")),
        Op::UpdateMe => doc("Update me", 200, one("user", "User"))
            .takes(object(&[("email", email())]))
            .fails(&[409, 429]),
        Op::DeleteMe => gone("Delete me").fails(&[409]),
        Op::ChangePassword => doc("Change password", 200, message())
            .takes(object(&[("current_password", text()), ("new_password", password())]))
            .fails(&[429]),
        Op::ListUserOrgs => doc("List user organizations", 200, many("organizations", "UserOrg")),
        Op::ListUserTeams => doc("List user teams", 200, many("teams", "UserTeam")),
        Op::LeaveTeam => gone("Leave team").fails(&[409]),
        Op::CreateJoinRequest => doc("Request to join team", 201, named("JoinRequest"))
            .takes(request(&[], &[("justification", or_null(description()))]))
            .fails(&[409]),
        Op::GetAdminInbox => doc("Get admin inbox", 200, many("inbox", "InboxItem")),
        Op::ResolveJoinRequest => doc("Resolve join request", 200, named("JoinRequest"))
            .takes(object(&[("status", words(&["approved", "rejected"]))]))
            .note("Needs an admin of the team or of the organization; for others the request is not there."),
        Op::CreateOrg => doc("Create organization", 201, one("org", "Org"))
            .takes(object(&[("name", name())]))
            .fails(&[409]),
        Op::UpdateOrg => doc("Update organization", 200, one("org", "Org"))
            .takes(object(&[("name", name())]))
            .fails(&[409]),
        Op::DeleteOrg => gone("Delete organization"),
        Op::ListOrgPeople => doc("List org people", 200, counted("people", "User")).by_page(),
        Op::RemoveOrgMember => gone("Remove member from organization").fails(&[409]),
        Op::ListPlugins => doc("List installed plugins", 200, many("plugins", "Plugin")),
        Op::ListOrgPlugins => {
            doc("List plugins of an organization", 200, many("plugins", "OrgPlugin"))
        }
        Op::SetOrgPlugin => doc("Enable a plugin, or disable it", 200, one("plugin", "OrgPlugin"))
            .takes(request(
                &[("enabled", flag())],
                &[
                    ("on_failure", or_null(words(&["refuse", "pass"]))),
                    ("settings", or_null(any_object())),
                ],
            ))
            .note("What is not given is the default again.")
            .fails(&[502]),
        Op::CreateTeam => doc("Create team", 201, one("team", "Team"))
            .takes(object(&[("name", name())]))
            .fails(&[409]),
        Op::ListOrgTeams => doc("List org teams", 200, many("teams", "Team")),
        Op::UpdateTeam => doc("Update team", 200, one("team", "Team"))
            .takes(object(&[("name", name())]))
            .fails(&[409]),
        Op::DeleteTeam => {
            gone("Delete team")
                .query("force", words(&["true", "false"]))
                .note("With `force`, which deletes the team's prompts too: needs admin of the team.")
                .fails(&[409])
        }
        Op::ListTeamMembers => {
            doc("List team members", 200, counted("members", "TeamMember")).by_page()
        }
        Op::AddTeamMember => gone("Add team member")
            .takes(request(&[], &[("user_id", id()), ("email", email()), ("role", role())]))
            .fails(&[409]),
        Op::RemoveTeamMember => gone("Remove team member").fails(&[409]),
        Op::UpdateTeamMemberRole => doc("Update team member role", 200, message())
            .takes(object(&[("role", role())]))
            .fails(&[409]),
        Op::CreateApiKey => doc("Create an API key", 201, named("NewAPIKey")).takes(request(
            &[("name", name()), ("org_id", id())],
            &[("team_ids", or_null(list(id()))), ("operation", or_null(key_operation()))],
        ))
        .note("Needs an admin of every team that the key is limited to; for a key without `team_ids`, which is good for the whole organization, an admin of that."),
        Op::ListApiKeys => doc("List API keys", 200, page_of("api_keys", "APIKey"))
            .note("An admin of the organization sees all keys, an admin of teams those that are limited to teams of theirs; others are refused.")
            .needs_query("org_id", id())
            .by_cursor(place()),
        Op::DeleteApiKey => gone("Delete an API key")
            .note("Needs an admin who can list the key: of the organization, or of every team that the key is limited to."),
        Op::CreatePrompt => doc("Create a prompt", 201, one("prompt", "Prompt"))
            .takes(request(
                &[("name", name())],
                &[("description", or_null(description())), ("slug", or_null(slug()))],
            ))
            .fails(&[409]),
        Op::ListPrompts => doc("List prompts", 200, page_of("prompts", "Prompt")).filters_prompts(),
        Op::ListAllPrompts => {
            doc("List all prompts with team filter", 200, page_of("prompts", "Prompt"))
                .query("team_id", id())
                .query("team", id())
                .filters_prompts()
        }
        Op::GetPrompt => doc(
            "Get a prompt",
            200,
            request(&[("prompt", named("Prompt"))], &[("version", named("PromptVersion"))]),
        )
        .query("version", text())
        .query("tag", text()),
        Op::UpdatePrompt => doc("Update a prompt", 200, one("prompt", "Prompt")).takes(request(
            &[],
            &[("description", description()), ("name", name()), ("slug", slug())],
        )),
        Op::ArchivePrompt => doc("Archive a prompt", 200, one("prompt", "Prompt")),
        Op::RestorePrompt => doc("Restore a prompt", 200, one("prompt", "Prompt")),
        Op::MovePrompt => {
            doc("Move a prompt", 200, one("prompt", "Prompt")).takes(object(&[("team_id", id())]))
        }
        Op::CreateVersion => {
            doc("Create a prompt version", 201, version()).takes(version_body(true)).fails(&[502])
        }
        Op::ListVersions => doc("List prompt versions", 200, page_of("versions", "PromptVersion"))
            .query("tags", tags())
            .query("status", version_status())
            .by_cursor(place_by_number()),
        Op::DiffVersions => doc(
            "Diff prompt versions",
            200,
            object(&[
                ("from_version", number()),
                ("to_version", number()),
                ("from_template", text()),
                ("to_template", text()),
                ("diff", text()),
            ]),
        )
        .needs_query("from", some_text())
        .needs_query("to", some_text()),
        Op::GetVersion => doc("Get prompt version", 200, version()),
        Op::UpdateVersion => doc("Update prompt version draft", 200, version())
            .takes(version_body(false))
            .fails(&[422, 502]),
        Op::DeletePromptVersion => gone("Delete prompt version draft").fails(&[422]),
        Op::PromoteVersion => {
            doc("Promote prompt version", 200, version()).fails(&[409, 422, 502])
        }
        Op::DemoteVersion => doc("Demote prompt version", 200, version()).fails(&[422]),
        Op::ArchiveVersion => doc("Archive prompt version", 200, version()).fails(&[422]),
        Op::DuplicateVersion => doc("Duplicate prompt version", 201, version()),
        Op::SetVersionTag => {
            doc("Attach/set version tag", 200, version()).takes(object(&[("tag", tag())]))
        }
        Op::ListVersionTags => doc("List prompt version tags", 200, many("tags", "VersionTag")),
        Op::RemoveVersionTag => gone("Remove version tag"),
        Op::CreatePromptPayload => {
            doc("Create a prompt payload", 201, one("payload", "PromptPayload"))
                .takes(request(&[("variables", any_object())], &[("name", or_null(name()))]))
        }
        Op::ListPromptPayloads => {
            doc("List prompt payloads", 200, page_of("payloads", "PromptPayload"))
                .by_cursor(place())
        }
        Op::GetPromptPayload => doc("Get a prompt payload", 200, one("payload", "PromptPayload")),
        Op::UpdatePromptPayload => {
            doc("Update a prompt payload", 200, one("payload", "PromptPayload"))
                .takes(request(&[], &[("variables", any_object()), ("name", or_null(name()))]))
        }
        Op::DeletePromptPayload => gone("Delete a prompt payload"),
        Op::RenderLive => doc("Render live prompt version", 200, named("Rendered"))
            .takes(variables())
            .fails(&[422, 502]),
        Op::RenderVersion => doc("Render specific prompt version", 200, named("Rendered"))
            .takes(variables())
            .fails(&[422, 502]),
    }
}
