//! Mail, off the request path.
//!
//! Whether an address is known decides nothing that a caller could see or time: a request only drops a
//! letter here, and a task of its own looks the address up, makes the code and sends it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::sync::mpsc;

use crate::{
    clock::Timestamp,
    email::Email,
    error::{Code, Error, Result},
    secret::{CodeKey, Token, TokenKind, six_digits},
    store::SharedStore,
    user::MailedCode,
};

/// Letters that may wait; beyond that, callers are told to come back.
const WAITING: usize = 4096;

/// Tries to deliver one mail, with a pause that doubles from a second.
const TRIES: u32 = 4;

/// A mail to one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mail {
    /// The six digits that prove an address.
    Verification {
        /// Whose address.
        to: Email,
        /// The digits.
        code: String,
    },
    /// The token that resets a password.
    PasswordReset {
        /// Whose password.
        to: Email,
        /// The token.
        code: String,
    },
}

impl Mail {
    /// Where it goes.
    pub fn to(&self) -> &Email {
        match self {
            Self::Verification { to, .. } | Self::PasswordReset { to, .. } => to,
        }
    }

    /// The secret in it.
    pub fn code(&self) -> &str {
        match self {
            Self::Verification { code, .. } | Self::PasswordReset { code, .. } => code,
        }
    }

    /// What kind of mail it is, as a word.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Verification { .. } => "verification",
            Self::PasswordReset { .. } => "password_reset",
        }
    }

    /// Its subject.
    pub const fn subject(&self) -> &'static str {
        match self {
            Self::Verification { .. } => "Your px0 verification code",
            Self::PasswordReset { .. } => "Reset your px0 password",
        }
    }

    /// Its text.
    pub fn text(&self, ttl: Duration) -> String {
        let minutes = ttl.as_secs().div_ceil(60);
        match self {
            Self::Verification { code, .. } => format!(
                "Your verification code is {code}.\n\nIt is good for {minutes} minutes. If you did not ask for it, ignore this mail.\n"
            ),
            Self::PasswordReset { code, .. } => format!(
                "Your password reset code is\n\n{code}\n\nIt is good for {minutes} minutes and works once. If you did not ask for it, ignore this mail: your password stays as it is.\n"
            ),
        }
    }
}

/// Takes mail to people.
#[async_trait]
pub trait Mailer: Send + Sync + 'static {
    /// Delivers one mail.
    ///
    /// # Errors
    /// Why it could not, for the log. It is tried again a few times.
    async fn deliver(&self, mail: &Mail) -> std::result::Result<(), String>;

    /// A mail that was given up, for the log. The default forgets it.
    fn gave_up(&self, _kind: &'static str, _why: &str) {}
}

/// What a request asks to be sent.
enum Letter {
    Verification(Email),
    PasswordReset(Email),
}

/// The letter box.
pub(crate) struct Post(mpsc::Sender<Letter>);

impl Post {
    /// Starts the task that sends; it ends when the box is dropped and empty.
    pub(crate) fn start(
        store: SharedStore,
        mailer: Arc<dyn Mailer>,
        key: CodeKey,
        ttl: Duration,
    ) -> Self {
        let (sender, mut letters) = mpsc::channel(WAITING);
        let clerk = Clerk { store, mailer, key, ttl };
        tokio::spawn(async move {
            while let Some(letter) = letters.recv().await {
                clerk.handle(letter).await;
            }
        });
        Self(sender)
    }

    /// Asks for a verification code.
    pub(crate) fn verification(&self, to: Email) -> Result<()> {
        self.drop_in(Letter::Verification(to))
    }

    /// Asks for a password reset.
    pub(crate) fn password_reset(&self, to: Email) -> Result<()> {
        self.drop_in(Letter::PasswordReset(to))
    }

    fn drop_in(&self, letter: Letter) -> Result<()> {
        self.0.try_send(letter).map_err(|_| {
            Error::new(Code::Unavailable, "too much mail is waiting; please try again")
        })
    }
}

struct Clerk {
    store: SharedStore,
    mailer: Arc<dyn Mailer>,
    key: CodeKey,
    ttl: Duration,
}

impl Clerk {
    async fn handle(&self, letter: Letter) {
        let kind = match letter {
            Letter::Verification(_) => "verification",
            Letter::PasswordReset(_) => "password_reset",
        };
        match self.write(letter).await {
            Ok(Some(mail)) => self.send(mail),
            Ok(None) => {}
            Err(error) => self.mailer.gave_up(kind, &error.to_string()),
        }
    }

    /// Makes and keeps the code; nobody to write to is no error.
    async fn write(&self, letter: Letter) -> Result<Option<Mail>> {
        let keep = |hash| MailedCode {
            hash,
            expires_at: Timestamp::now().plus(self.ttl),
            tries_left: MailedCode::TRIES,
        };
        match letter {
            Letter::Verification(to) => match self.store.account_by_email(&to).await? {
                Some(account) if !account.user.is_verified => {
                    let code = six_digits()?;
                    let sealed = self.key.seal(to.as_str(), &code);
                    self.store.put_verification(account.user.id, keep(sealed)).await?;
                    Ok(Some(Mail::Verification { to, code }))
                }
                _ => Ok(None),
            },
            Letter::PasswordReset(to) => match self.store.account_by_email(&to).await? {
                Some(account) => {
                    let code = Token::new(TokenKind::Reset)?;
                    self.store.put_reset(account.user.id, keep(code.hash())).await?;
                    Ok(Some(Mail::PasswordReset { to, code: code.expose().to_owned() }))
                }
                None => Ok(None),
            },
        }
    }

    /// Sends from a task of its own: one slow mail server must not hold up the others' codes.
    fn send(&self, mail: Mail) {
        let mailer = self.mailer.clone();
        tokio::spawn(async move {
            let mut pause = Duration::from_secs(1);
            for tried in 1..=TRIES {
                match mailer.deliver(&mail).await {
                    Ok(()) => return,
                    Err(why) if tried == TRIES => mailer.gave_up(mail.kind(), &why),
                    Err(_) => tokio::time::sleep(pause).await,
                }
                pause *= 2;
            }
        });
    }
}
