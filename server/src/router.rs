//! Every route there is, on one screen, grouped by who calls them.

use axum::{
    Router,
    extract::Request,
    http::{HeaderName, HeaderValue, Method, Uri, header},
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
};
use px0_core::access::Operation as Op;
use tower::ServiceExt;
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{AllowOrigin, CorsLayer},
};

use crate::{
    App,
    error::{method_not_allowed, route_not_found},
    middleware,
    routes::Routes,
    v1::{
        api_keys, auth, health, inbox, members, orgs, payloads, plugins, profile, prompts, renders,
        tags, teams, version, versions,
    },
};

const GET: Method = Method::GET;
const POST: Method = Method::POST;
const PUT: Method = Method::PUT;
const DELETE: Method = Method::DELETE;

/// The whole of /v1, with what every request goes through.
pub fn router(app: App) -> Router {
    let routes = Routes::new(app.clone())
        // Services, on every call of a model.
        .add(Op::RenderLive, POST, "/v1/prompts/{slug}/render", renders::live)
        .add(
            Op::RenderVersion,
            POST,
            "/v1/prompts/{slug}/versions/{version}/render",
            renders::version,
        )
        .add(Op::HealthCheck, GET, "/v1/health", health::check)
        .add(Op::Readiness, GET, "/v1/health/ready", health::ready)
        .add(Op::ServerVersion, GET, "/v1/version", version::get)
        // People: getting in, and their own affairs.
        .add(Op::Register, POST, "/v1/auth/register", auth::register)
        .add(Op::Login, POST, "/v1/auth/login", auth::login)
        .add(Op::Logout, DELETE, "/v1/auth/session", auth::logout)
        .add(Op::TriggerVerificationEmail, GET, "/v1/auth/verify-email", auth::trigger_verification)
        .add(Op::VerifyEmail, POST, "/v1/auth/verify-email", auth::verify_email)
        .add(Op::TriggerPasswordReset, POST, "/v1/auth/password-reset/trigger", auth::trigger_reset)
        .add(Op::ResetPassword, POST, "/v1/auth/password-reset/reset", auth::reset_password)
        .add(Op::Me, GET, "/v1/auth/me", profile::me)
        .add(Op::UpdateMe, PUT, "/v1/auth/me", profile::update)
        .add(Op::DeleteMe, DELETE, "/v1/auth/me", profile::delete)
        .add(Op::ChangePassword, POST, "/v1/auth/me/change-password", profile::change_password)
        .add(Op::ListUserOrgs, GET, "/v1/me/orgs", profile::orgs)
        .add(Op::ListUserTeams, GET, "/v1/me/teams", profile::teams)
        .add(Op::LeaveTeam, DELETE, "/v1/me/teams/{teamID}", profile::leave_team)
        // Admins: organizations, teams, members, keys.
        .add(Op::CreateJoinRequest, POST, "/v1/teams/{id}/join-requests", inbox::create)
        .add(Op::GetAdminInbox, GET, "/v1/me/inbox", inbox::list)
        .add(Op::ResolveJoinRequest, PUT, "/v1/join-requests/{id}", inbox::resolve)
        .add(Op::CreateOrg, POST, "/v1/orgs", orgs::create)
        .add(Op::UpdateOrg, PUT, "/v1/orgs/{id}", orgs::update)
        .add(Op::DeleteOrg, DELETE, "/v1/orgs/{id}", orgs::delete)
        .add(Op::ListOrgPeople, GET, "/v1/orgs/{orgID}/people", orgs::people)
        .add(Op::RemoveOrgMember, DELETE, "/v1/orgs/{orgID}/members/{userID}", orgs::remove_member)
        .add(Op::ListPlugins, GET, "/v1/plugins", plugins::list)
        .add(Op::ListOrgPlugins, GET, "/v1/orgs/{orgID}/plugins", plugins::list_of_org)
        .add(Op::SetOrgPlugin, PUT, "/v1/orgs/{orgID}/plugins/{id}", plugins::decide)
        .add(Op::CreateTeam, POST, "/v1/orgs/{orgID}/teams", teams::create)
        .add(Op::ListOrgTeams, GET, "/v1/orgs/{orgID}/teams", teams::list)
        .add(Op::UpdateTeam, PUT, "/v1/teams/{id}", teams::update)
        .add(Op::DeleteTeam, DELETE, "/v1/teams/{id}", teams::delete)
        .add(Op::ListTeamMembers, GET, "/v1/teams/{id}/members", members::list)
        .add(Op::AddTeamMember, POST, "/v1/teams/{id}/members", members::add)
        .add(Op::RemoveTeamMember, DELETE, "/v1/teams/{id}/members/{userID}", members::remove)
        .add(
            Op::UpdateTeamMemberRole,
            PUT,
            "/v1/teams/{id}/members/{userID}/role",
            members::set_role,
        )
        .add(Op::CreateApiKey, POST, "/v1/api-keys", api_keys::create)
        .add(Op::ListApiKeys, GET, "/v1/api-keys", api_keys::list)
        .add(Op::DeleteApiKey, DELETE, "/v1/api-keys/{id}", api_keys::delete)
        // Editors: prompts, their versions, tags and payloads.
        .add(Op::CreatePrompt, POST, "/v1/teams/{teamID}/prompts", prompts::create)
        .add(Op::ListPrompts, GET, "/v1/teams/{teamID}/prompts", prompts::list)
        .add(Op::ListAllPrompts, GET, "/v1/prompts", prompts::list_all)
        .add(Op::GetPrompt, GET, "/v1/prompts/{id}", prompts::get)
        .add(Op::UpdatePrompt, PUT, "/v1/prompts/{id}", prompts::update)
        .add(Op::ArchivePrompt, POST, "/v1/prompts/{id}/archive", prompts::archive)
        .add(Op::RestorePrompt, POST, "/v1/prompts/{id}/restore", prompts::restore)
        .add(Op::MovePrompt, POST, "/v1/prompts/{id}/move", prompts::move_to)
        .add(Op::CreateVersion, POST, "/v1/prompts/{id}/versions", versions::create)
        .add(Op::ListVersions, GET, "/v1/prompts/{id}/versions", versions::list)
        .add(Op::DiffVersions, GET, "/v1/prompts/{id}/versions/diff", versions::diff)
        .add(Op::GetVersion, GET, "/v1/prompts/{id}/versions/{version}", versions::get)
        .add(Op::UpdateVersion, PUT, "/v1/prompts/{id}/versions/{version}", versions::update)
        .add(
            Op::DeletePromptVersion,
            DELETE,
            "/v1/prompts/{id}/versions/{version}",
            versions::delete,
        )
        .add(
            Op::PromoteVersion,
            POST,
            "/v1/prompts/{id}/versions/{version}/promote",
            versions::promote,
        )
        .add(
            Op::DemoteVersion,
            POST,
            "/v1/prompts/{id}/versions/{version}/demote",
            versions::demote,
        )
        .add(
            Op::ArchiveVersion,
            POST,
            "/v1/prompts/{id}/versions/{version}/archive",
            versions::archive,
        )
        .add(
            Op::DuplicateVersion,
            POST,
            "/v1/prompts/{id}/versions/{version}/duplicate",
            versions::duplicate,
        )
        .add(Op::SetVersionTag, POST, "/v1/prompts/{id}/versions/{version}/tags", tags::set)
        .add(Op::ListVersionTags, GET, "/v1/prompts/{id}/tags", tags::list)
        .add(Op::RemoveVersionTag, DELETE, "/v1/prompts/{id}/tags/{tag}", tags::remove)
        .add(Op::CreatePromptPayload, POST, "/v1/prompts/{id}/payloads", payloads::create)
        .add(Op::ListPromptPayloads, GET, "/v1/prompts/{id}/payloads", payloads::list)
        .add(Op::GetPromptPayload, GET, "/v1/prompts/{id}/payloads/{payloadID}", payloads::get)
        .add(
            Op::UpdatePromptPayload,
            PUT,
            "/v1/prompts/{id}/payloads/{payloadID}",
            payloads::update,
        )
        .add(
            Op::DeletePromptPayload,
            DELETE,
            "/v1/prompts/{id}/payloads/{payloadID}",
            payloads::delete,
        )
        .finish()
        .method_not_allowed_fallback(async |method: Method| method_not_allowed(&method));
    let exact = routes.clone().fallback(async || route_not_found()).with_state(app.clone());
    let routed = routes
        .fallback(move |request: Request| without_slash(exact.clone(), request))
        .layer(CatchPanicLayer::custom(middleware::panicked))
        .layer(from_fn_with_state(app.clone(), middleware::deadline));
    let open = match cors(&app) {
        Some(cors) => routed.layer(cors),
        None => routed,
    };
    open.layer(from_fn_with_state(app.clone(), middleware::envelope)).with_state(app)
}

/// A path with a slash at its end is the same without it. Only what is no route comes by here, so that others pay nothing for it.
async fn without_slash(exact: Router, mut request: Request) -> Response {
    let uri = request.uri();
    let Some(path) = uri.path().strip_suffix('/').filter(|path| !path.is_empty()) else {
        return route_not_found().into_response();
    };
    let path = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = path.parse().ok();
    let Ok(uri) = Uri::from_parts(parts) else {
        return route_not_found().into_response();
    };
    *request.uri_mut() = uri;
    exact.oneshot(request).await.into_response()
}

/// Browsers may call from the origins of the settings, and from nowhere else. No cookies: tokens are in a header.
fn cors(app: &App) -> Option<CorsLayer> {
    let origins: Vec<HeaderValue> =
        app.http.cors_origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    (!origins.is_empty()).then(|| {
        CorsLayer::new()
            .allow_origin(AllowOrigin::list(origins))
            .allow_methods([GET, POST, PUT, DELETE])
            .allow_headers([
                header::AUTHORIZATION,
                header::CONTENT_TYPE,
                HeaderName::from_static("traceparent"),
                HeaderName::from_static("tracestate"),
            ])
            .expose_headers([
                HeaderName::from_static("x-request-id"),
                HeaderName::from_static("traceresponse"),
                header::RETRY_AFTER,
            ])
    })
}
