use axum::{
    Extension, Json,
    extract::{FromRequestParts, State},
    http::{HeaderMap, StatusCode, request::Parts},
};
use px0_core::{
    Email, Error, Timestamp, caller::Caller, error::Result, password::Password, user::User,
    workflows::Registration,
};
use serde::Serialize;

use super::shapes::{Created, NO_CONTENT, Named, NoStore, message};
use crate::{
    App,
    error::{ApiError, ApiResult},
    extract::{Body, Fields, FromFields, FromQuery, Params, Peer, Query, bearer},
};

impl FromFields for Registration {
    fn from_fields(fields: &Fields<'_>) -> Result<Self> {
        Ok(Self {
            email: fields.required("email", Email::parse)?,
            password: fields.required("password", |text| Password::parse("password", text))?,
            team: fields.id("team_id")?,
        })
    }
}

/// Nobody, who registers themselves, or the admin of an organization: others are told before their body is looked at.
pub(crate) struct MayRegister(Caller);

impl FromRequestParts<App> for MayRegister {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> ApiResult<Self> {
        let Extension(caller) = Extension::<Caller>::from_request_parts(parts, app)
            .await
            .map_err(|error| Error::internal(error.to_string()))?;
        match &caller {
            Caller::Person(person) if !person.runs_any() => Err(Error::forbidden().into()),
            _ => Ok(Self(caller)),
        }
    }
}

pub(crate) async fn register(
    State(app): State<App>,
    MayRegister(caller): MayRegister,
    Peer(peer): Peer,
    Body(new): Body<Registration>,
) -> ApiResult<Created<Named<User>>> {
    match &caller {
        Caller::Anonymous => app.limiter.registration(peer)?,
        // What is bounded here is the mail that somebody can have sent to the world.
        _ if app.px0.wants_proof() => app.limiter.code(peer, &new.email)?,
        _ => {}
    }
    Ok(Created(Named("user", app.px0.register(&caller, new, peer).await?)))
}

pub(crate) struct Credentials {
    email: Email,
    password: String,
}

impl FromFields for Credentials {
    fn from_fields(fields: &Fields<'_>) -> Result<Self> {
        Ok(Self {
            email: fields.required("email", Email::parse)?,
            password: fields.required_text("password")?,
        })
    }
}

#[derive(Serialize)]
pub(crate) struct LoggedIn {
    token: String,
    expires_at: Timestamp,
    user: User,
}

pub(crate) async fn login(
    State(app): State<App>,
    Peer(peer): Peer,
    Body(given): Body<Credentials>,
) -> ApiResult<NoStore<Json<LoggedIn>>> {
    app.one_address.login(peer, &given.email);
    app.limiter.login(peer, &given.email)?;
    let visitor = app.px0.visitor(&given.email, peer).await?;
    app.limiter.login_to(&given.email, visitor.is_known)?;
    let login = app.px0.login(visitor, given.password).await?;
    let token = login.token.expose().to_owned();
    Ok(NoStore(Json(LoggedIn { token, expires_at: login.expires_at, user: login.user })))
}

pub(crate) async fn logout(State(app): State<App>, headers: HeaderMap) -> ApiResult<StatusCode> {
    if let Some(token) = bearer(&headers) {
        app.px0.logout(token).await?;
    }
    Ok(NO_CONTENT)
}

/// `?email=`, or `email` in a body.
pub(crate) struct Address(Email);

impl FromQuery for Address {
    fn from_query(params: &Params) -> Result<Self> {
        Email::parse(params.required("email")?).map(Self)
    }
}

impl FromFields for Address {
    fn from_fields(fields: &Fields<'_>) -> Result<Self> {
        fields.required("email", Email::parse).map(Self)
    }
}

pub(crate) async fn trigger_verification(
    State(app): State<App>,
    Peer(peer): Peer,
    Query(Address(email)): Query<Address>,
) -> ApiResult<Named<&'static str>> {
    app.limiter.code(peer, &email)?;
    app.px0.send_verification(email)?;
    Ok(message("if this address waits for verification, a code is on its way"))
}

pub(crate) struct Proof {
    email: Email,
    code: String,
}

impl FromFields for Proof {
    fn from_fields(fields: &Fields<'_>) -> Result<Self> {
        Ok(Self {
            email: fields.required("email", Email::parse)?,
            code: fields.required_text("code")?,
        })
    }
}

pub(crate) async fn verify_email(
    State(app): State<App>,
    Peer(peer): Peer,
    Body(proof): Body<Proof>,
) -> ApiResult<Named<&'static str>> {
    app.limiter.guess(peer)?;
    app.px0.verify_email(&proof.email, proof.code.trim(), peer).await?;
    Ok(message("email verified"))
}

pub(crate) async fn trigger_reset(
    State(app): State<App>,
    Peer(peer): Peer,
    Body(Address(email)): Body<Address>,
) -> ApiResult<Named<&'static str>> {
    app.limiter.code(peer, &email)?;
    app.px0.send_password_reset(email)?;
    Ok(message("if there is an account with this address, a password reset code is on its way"))
}

pub(crate) struct Reset {
    code: String,
    password: Password,
}

impl FromFields for Reset {
    fn from_fields(fields: &Fields<'_>) -> Result<Self> {
        let password = |text: &str| Password::parse("new_password", text);
        Ok(Self {
            code: fields.required_text("code")?,
            password: fields.required("new_password", password)?,
        })
    }
}

#[derive(Serialize)]
pub(crate) struct WasReset {
    message: &'static str,
    email: Email,
}

pub(crate) async fn reset_password(
    State(app): State<App>,
    Peer(peer): Peer,
    Body(reset): Body<Reset>,
) -> ApiResult<Json<WasReset>> {
    app.limiter.guess(peer)?;
    let user = app.px0.reset_password(reset.code.trim(), reset.password, peer).await?;
    Ok(Json(WasReset { message: "password reset; please log in", email: user.email }))
}
