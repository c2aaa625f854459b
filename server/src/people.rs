//! `px0 user` and `px0 org`: accounts and organizations by whoever runs px0, without mail.

use std::{
    io::{self, IsTerminal as _, Read as _, Write as _},
    path::PathBuf,
};

use clap::{Args, Subcommand, ValueEnum};
use px0_config::Settings;
use px0_core::{
    Email, Error, Name,
    password::Password,
    tenancy::Role,
    user::User,
    workflows::operator::{NewUser, OrgRef, PasswordHash, generate_password},
};
use px0_server::operator;
use serde_json::{Value, json};

/// What can be done with people.
#[derive(Subcommand)]
pub(crate) enum UserCommand {
    /// Makes an account whose address counts as verified: no mail is sent.
    ///
    /// Without --org it is as if they had registered by themselves: they get an organization of their own, whose admin they are,
    /// and may create more.
    Create {
        /// The address.
        #[arg(value_parser = Email::parse)]
        email: Email,
        /// The organization that they join instead, by its name or id.
        #[arg(long, value_name = "NAME|ID")]
        org: Option<OrgRef>,
        /// What they may do in the Default Team of that organization; its admins run the organization.
        #[arg(long, requires = "org", value_enum, default_value_t = RoleName::Editor)]
        role: RoleName,
        #[command(flatten)]
        password: PasswordArgs,
        #[command(flatten)]
        output: Output,
    },
    /// Lists everybody, by address.
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Gives somebody a new password: their sessions end, and their address counts as verified.
    ResetPassword {
        /// The address.
        #[arg(value_parser = Email::parse)]
        email: Email,
        #[command(flatten)]
        password: PasswordArgs,
        #[command(flatten)]
        output: Output,
    },
}

/// What can be done with organizations.
#[derive(Subcommand)]
pub(crate) enum OrgCommand {
    /// Makes an organization with its Default Team.
    Create {
        /// Its name.
        #[arg(value_parser = name)]
        name: Name,
        /// The address of who will run it; they have an account already.
        #[arg(long, value_name = "EMAIL", value_parser = Email::parse)]
        owner: Email,
        #[command(flatten)]
        output: Output,
    },
}

fn name(text: &str) -> Result<Name, Error> {
    Name::parse("name", text)
}

/// Where a password comes from; never an argument, which other users of the machine can read.
#[derive(Args)]
pub(crate) struct PasswordArgs {
    /// Reads the password from the first line of standard input; without this, a terminal asks for it.
    #[arg(long, conflicts_with = "generate_password")]
    password_stdin: bool,
    /// Makes a password and prints it, this once.
    #[arg(long)]
    generate_password: bool,
}

/// How something is said.
#[derive(Args)]
pub(crate) struct Output {
    /// Prints JSON: an object, or a line for each of a list.
    #[arg(long)]
    json: bool,
}

/// A role in a team.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum RoleName {
    /// Reads and renders.
    Viewer,
    /// Writes prompts, too.
    Editor,
    /// Runs the organization.
    Admin,
}

impl From<RoleName> for Role {
    fn from(role: RoleName) -> Self {
        match role {
            RoleName::Viewer => Self::Viewer,
            RoleName::Editor => Self::Editor,
            RoleName::Admin => Self::Admin,
        }
    }
}

/// Does what `px0 user` was told.
///
/// # Errors
/// A sentence for the operator.
pub(crate) fn user(command: UserCommand, config: Option<PathBuf>) -> Result<(), String> {
    match command {
        UserCommand::Create { email, org, role, password, output } => {
            crate::maintain(config, async move |settings| {
                let (password_hash, generated) = password.get(&email)?;
                let join = org.map(|org| (org, role.into()));
                let new = NewUser { email, password_hash, join };
                let made = operator::create_user(settings, new).await?;
                let (user, org, role) = (&made.user, &made.org, made.role.as_str());
                if output.json {
                    let made = json!({ "user": user, "org": org, "role": role });
                    return print_json(made, generated);
                }
                print(&format!(
                    "{} has an account, with the role {role} in \"{}\" ({})",
                    user.email, org.name, org.id
                ))?;
                print_password(generated)
            })
        }
        UserCommand::List { output } => {
            crate::maintain(config, async move |settings| list(settings, output.json).await)
        }
        UserCommand::ResetPassword { email, password, output } => {
            crate::maintain(config, async move |settings| {
                let (hash, generated) = password.get(&email)?;
                let user = operator::reset_password(settings, email, hash).await?;
                if output.json {
                    return print_json(json!({ "user": user }), generated);
                }
                print(&format!("{} has a new password; all their sessions ended", user.email))?;
                print_password(generated)
            })
        }
    }
}

/// Does what `px0 org` was told.
///
/// # Errors
/// A sentence for the operator.
pub(crate) fn org(command: OrgCommand, config: Option<PathBuf>) -> Result<(), String> {
    let OrgCommand::Create { name, owner, output } = command;
    crate::maintain(config, async move |settings| {
        let made = operator::create_org(settings, name, owner).await?;
        if output.json {
            return print(&json!({ "org": made.org, "owner": made.owner }).to_string());
        }
        print(&format!(
            "\"{}\" ({}) is an organization; {} runs it",
            made.org.name, made.org.id, made.owner.email
        ))
    })
}

async fn list(settings: &Settings, as_json: bool) -> Result<(), String> {
    let mut out = io::BufWriter::new(io::stdout());
    // An address is of any length: it stands last, so that the columns are straight.
    let row = |id: &str, at: &str, verified: &str, admin: &str, email: &str| {
        format!("{id:<36}  {at:<27}  {verified:<8}  {admin:<5}  {email}")
    };
    if !as_json {
        let head = row("ID", "CREATED", "VERIFIED", "ADMIN", "EMAIL");
        writeln!(out, "{head}").map_err(|error| error.to_string())?;
    }
    let yes = |is: bool| if is { "yes" } else { "no" };
    let mut is_read = true;
    let listed = operator::users(settings, |user: User| {
        let line = if as_json {
            serde_json::to_string(&user)?
        } else {
            let (id, at) = (user.id.to_string(), user.created_at.to_string());
            row(&id, &at, yes(user.is_verified), yes(user.is_admin), user.email.as_str())
        };
        let written = writeln!(out, "{line}");
        is_read = written.is_ok();
        written
    });
    let listed = listed.await.and_then(|()| out.flush().map_err(|error| error.to_string()));
    // Whoever reads may have seen enough (`px0 user list | head`).
    if is_read { listed } else { Ok(()) }
}

/// Standard output may be gone: that is an error like any other.
fn print(line: &str) -> Result<(), String> {
    writeln!(io::stdout(), "{line}").map_err(|error| error.to_string())
}

/// An answer, with the password if nobody knows it yet.
fn print_json(mut answer: Value, generated: Option<String>) -> Result<(), String> {
    if let Some(password) = generated {
        answer["password"] = password.into();
    }
    print(&answer.to_string())
}

fn print_password(generated: Option<String>) -> Result<(), String> {
    generated.map_or(Ok(()), |password| print(&format!("password: {password}")))
}

impl PasswordArgs {
    /// Reads, asks for, or makes a password. Answers what is kept of it, and the password itself if it was made here.
    fn get(&self, email: &Email) -> Result<(PasswordHash, Option<String>), String> {
        let text = match (self.generate_password, self.password_stdin) {
            (true, _) => generate_password().map_err(|error| error.to_string())?,
            (_, true) => first_line()?,
            _ if io::stdin().is_terminal() => asked(email)?,
            _ => {
                return Err(
                    "there is no terminal to ask for a password: give --password-stdin or \
                            --generate-password"
                        .to_owned(),
                );
            }
        };
        let password = Password::parse("password", &text).map_err(|error| error.to_string())?;
        let hash = PasswordHash::of(&password).map_err(|error| error.to_string())?;
        Ok((hash, self.generate_password.then_some(text)))
    }
}

fn first_line() -> Result<String, String> {
    /// More than the longest password has, in bytes.
    const LONGEST: u64 = 8 * 1024;
    let mut text = String::new();
    let read = io::stdin().take(LONGEST).read_to_string(&mut text);
    read.map_err(|error| format!("standard input: {error}"))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn asked(email: &Email) -> Result<String, String> {
    let ask = |what: String| rpassword::prompt_password(what).map_err(|error| error.to_string());
    let text = ask(format!("Password for {email}: "))?;
    if ask("The same again: ".to_owned())? == text {
        Ok(text)
    } else {
        Err("these are two different passwords".to_owned())
    }
}
