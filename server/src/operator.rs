//! `px0 user` and `px0 org`: on the store of the settings, or through the px0 that has it open.

use std::{error::Error as _, io};

use px0_config::Settings;
use px0_core::{
    Email, Error, Name,
    store::SharedStore,
    user::User,
    workflows::operator::{NewAccount, NewUser, Operator, OwnedOrg, PasswordHash},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    control::{OperatorRequest, Request},
    maintain::{Failure, Found, Use, each_line, find, said},
};

/// Takes a line of an answer.
type Each<'a> = &'a mut (dyn FnMut(&str) -> io::Result<()> + Send);

/// Makes an account; on the embedded store also the store, if there is none.
///
/// # Errors
/// Why it could not be made.
pub async fn create_user(settings: &Settings, new: NewUser) -> Result<NewAccount, Failure> {
    let make = new.join.is_none();
    one(settings, OperatorRequest::CreateUser(new), make).await
}

/// Hands out everybody, by address.
///
/// # Errors
/// Why they cannot be read; what `each` says.
pub async fn users(
    settings: &Settings,
    mut each: impl FnMut(User) -> io::Result<()> + Send,
) -> Result<(), Failure> {
    let mut line = |line: &str| -> io::Result<()> { each(serde_json::from_str(line)?) };
    ask(settings, OperatorRequest::ListUsers, false, &mut line).await
}

/// Gives somebody a new password.
///
/// # Errors
/// Why it could not be given.
pub async fn reset_password(
    settings: &Settings,
    email: Email,
    password_hash: PasswordHash,
) -> Result<User, Failure> {
    one(settings, OperatorRequest::ResetPassword { email, password_hash }, false).await
}

/// Makes an organization.
///
/// # Errors
/// Why it could not be made.
pub async fn create_org(
    settings: &Settings,
    name: Name,
    owner: Email,
) -> Result<OwnedOrg, Failure> {
    one(settings, OperatorRequest::CreateOrg { name, owner }, false).await
}

/// Asks for what is answered with one thing.
async fn one<T: DeserializeOwned + Send>(
    settings: &Settings,
    request: OperatorRequest,
    make: bool,
) -> Result<T, Failure> {
    let mut answer = None;
    let mut line = |line: &str| -> io::Result<()> {
        answer = Some(serde_json::from_str(line)?);
        Ok(())
    };
    ask(settings, request, make, &mut line).await?;
    answer.ok_or_else(|| "px0 did it, and did not say what it made".to_owned())
}

async fn ask(
    settings: &Settings,
    request: OperatorRequest,
    make: bool,
    each: Each<'_>,
) -> Result<(), Failure> {
    let used = if make { Use::Make } else { Use::Change };
    match find(settings, &Request::Operator(request.clone()), used).await? {
        Found::There(answer) => each_line(answer, each),
        Found::Here(store) => {
            perform(store.clone(), request, each).await?;
            store.close().await.map_err(said)
        }
    }
}

/// Does what an operator asks for; every line of the answer is a JSON object.
pub(crate) async fn perform(
    store: SharedStore,
    request: OperatorRequest,
    each: Each<'_>,
) -> Result<(), Failure> {
    let operator = Operator::on(store);
    match request {
        OperatorRequest::CreateUser(new) => {
            let made = operator.create_user(new).await.map_err(told)?;
            tracing::info!(user = %made.user.id, org = %made.org.id, "an operator made an account");
            line(each, &made)
        }
        OperatorRequest::ListUsers => {
            let mut after = None;
            loop {
                let page = operator.users(after).await.map_err(told)?;
                page.items.iter().try_for_each(|user| line(each, user))?;
                after = page.next;
                if after.is_none() {
                    return Ok(());
                }
            }
        }
        OperatorRequest::ResetPassword { email, password_hash } => {
            let user = operator.reset_password(&email, password_hash).await.map_err(told)?;
            tracing::info!(user = %user.id, "an operator gave somebody a new password");
            line(each, &user)
        }
        OperatorRequest::CreateOrg { name, owner } => {
            let made = operator.create_org(name, &owner).await.map_err(told)?;
            tracing::info!(user = %made.owner.id, org = %made.org.id, "an operator made an organization");
            line(each, &made)
        }
    }
}

fn line(each: Each<'_>, answer: &impl Serialize) -> Result<(), Failure> {
    each(&serde_json::to_string(answer).map_err(said)?).map_err(said)
}

/// An error for whoever runs px0: with its cause, which a client over HTTP never sees.
fn told(error: Error) -> Failure {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
