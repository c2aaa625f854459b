//! Mail, off the request path.
//!
//! Whether an address is known decides nothing that a caller could see or time: a request only drops a
//! letter here, and a task of its own looks the address up, makes the code and sends it. What waits and what is under way is
//! bounded: while the mail server is slow, letters wait here, without codes that would grow old.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::sync::{Semaphore, mpsc};

use crate::{
    clock::Timestamp,
    email::Email,
    error::{Error, Result},
    mailed::MailedCode,
    secret::{CodeKey, Token, TokenKind, six_digits},
    store::SharedStore,
};

/// Letters that may wait; beyond that, who asks for a code is told to come back.
const WAITING: usize = 4096;

/// Seconds after which to come back.
const RETRY_AFTER: u64 = 30;

/// Mails that may be under way to the mail server at the same time, pauses between tries included.
const UNDER_WAY: usize = 64;

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

impl Letter {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Verification(_) => "verification",
            Self::PasswordReset(_) => "password_reset",
        }
    }
}

/// The letter box.
pub(crate) struct Post {
    letters: mpsc::Sender<Letter>,
    mailer: Arc<dyn Mailer>,
}

impl Post {
    /// Starts the task that sends; it ends when the box is dropped and empty.
    pub(crate) fn start(
        store: SharedStore,
        mailer: Arc<dyn Mailer>,
        key: CodeKey,
        ttl: Duration,
    ) -> Self {
        let (sender, mut letters) = mpsc::channel(WAITING);
        let under_way = Arc::new(Semaphore::new(UNDER_WAY));
        let clerk = Clerk { store, mailer: mailer.clone(), key, ttl };
        tokio::spawn(async move {
            while let Some(letter) = letters.recv().await {
                // Before the code is made: its time begins when it can be sent.
                let Ok(place) = under_way.clone().acquire_owned().await else { return };
                if let Some(mail) = clerk.write(letter).await {
                    let mailer = clerk.mailer.clone();
                    tokio::spawn(async move {
                        send(&*mailer, mail).await;
                        drop(place);
                    });
                }
            }
        });
        Self { letters: sender, mailer }
    }

    /// Asks for a verification code.
    pub(crate) fn verification(&self, to: Email) -> Result<()> {
        self.drop_in(Letter::Verification(to)).map_err(|_| too_much())
    }

    /// Asks for a verification code for somebody whose account was just made or changed. If too much mail waits, none is sent
    /// and the log says so; they can ask for one.
    pub(crate) fn try_verification(&self, to: Email) {
        if let Err(letter) = self.drop_in(Letter::Verification(to)) {
            self.mailer.gave_up(letter.kind(), "too much mail is waiting");
        }
    }

    /// Asks for a password reset.
    pub(crate) fn password_reset(&self, to: Email) -> Result<()> {
        self.drop_in(Letter::PasswordReset(to)).map_err(|_| too_much())
    }

    fn drop_in(&self, letter: Letter) -> Result<(), Letter> {
        self.letters.try_send(letter).map_err(mpsc::error::TrySendError::into_inner)
    }
}

fn too_much() -> Error {
    Error::busy("too much mail is waiting", RETRY_AFTER)
}

struct Clerk {
    store: SharedStore,
    mailer: Arc<dyn Mailer>,
    key: CodeKey,
    ttl: Duration,
}

impl Clerk {
    /// Makes and keeps the code. There is no mail when there is nobody to write to, or when they have enough codes.
    async fn write(&self, letter: Letter) -> Option<Mail> {
        let kind = letter.kind();
        let written = match letter {
            Letter::Verification(to) => self.verification(to).await,
            Letter::PasswordReset(to) => self.password_reset(to).await,
        };
        written.unwrap_or_else(|error| {
            self.mailer.gave_up(kind, &error.to_string());
            None
        })
    }

    async fn verification(&self, to: Email) -> Result<Option<Mail>> {
        let account = self.store.account_by_email(&to).await?;
        let Some(account) = account.filter(|account| !account.user.is_verified) else {
            return Ok(None);
        };
        let code = six_digits()?;
        let now = Timestamp::now();
        let sealed = MailedCode::new(self.key.seal(to.as_str(), &code), now.plus(self.ttl));
        let kept = self.store.put_verification(now, account.user.id, sealed).await?;
        Ok(kept.then_some(Mail::Verification { to, code }))
    }

    async fn password_reset(&self, to: Email) -> Result<Option<Mail>> {
        let Some(account) = self.store.account_by_email(&to).await? else {
            return Ok(None);
        };
        let code = Token::new(TokenKind::Reset)?;
        let now = Timestamp::now();
        let sealed = MailedCode::new(code.hash(), now.plus(self.ttl));
        let kept = self.store.put_reset(now, account.user.id, sealed).await?;
        let code = code.expose().to_owned();
        Ok(kept.then_some(Mail::PasswordReset { to, code }))
    }
}

/// Sends a mail, in several tries.
async fn send(mailer: &dyn Mailer, mail: Mail) {
    let mut pause = Duration::from_secs(1);
    for tried in 1..=TRIES {
        match mailer.deliver(&mail).await {
            Ok(()) => return,
            Err(why) if tried == TRIES => mailer.gave_up(mail.kind(), &why),
            Err(_) => tokio::time::sleep(pause).await,
        }
        pause *= 2;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::{
        ids::UserId,
        memory::MemoryStore,
        store::{Store as _, archive::Record},
        user::{Account, User},
    };

    /// A mail server that never answers.
    #[derive(Default)]
    struct Stuck {
        begun: AtomicUsize,
        given_up: AtomicUsize,
    }

    #[async_trait]
    impl Mailer for Stuck {
        async fn deliver(&self, _: &Mail) -> std::result::Result<(), String> {
            self.begun.fetch_add(1, Ordering::Relaxed);
            std::future::pending().await
        }

        fn gave_up(&self, _: &'static str, _: &str) {
            self.given_up.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn address(at: usize) -> Email {
        Email::parse(&format!("a{at}@example.com")).expect("an address")
    }

    /// A store with so many people in it.
    async fn store(people: usize) -> SharedStore {
        let created_at = Timestamp::now();
        let user = |at| User {
            id: UserId::new(),
            email: address(at),
            is_verified: false,
            is_admin: true,
            created_at,
        };
        let account =
            |at| Account { user: user(at), password_hash: String::new(), was_proved: false };
        let store = MemoryStore::new();
        let mut records = (0..people).map(|at| Ok(Record::User(account(at))));
        store.import(&mut records).await.expect("an archive");
        Arc::new(store)
    }

    #[tokio::test]
    async fn what_is_under_way_and_what_waits_is_bounded() {
        let people = UNDER_WAY + 10;
        let mailer = Arc::new(Stuck::default());
        let key = CodeKey::from_bytes([1; 32]);
        let post = Post::start(store(people).await, mailer.clone(), key, Duration::from_secs(60));
        for at in 0..people {
            post.verification(address(at)).expect("room");
        }
        while mailer.begun.load(Ordering::Relaxed) < UNDER_WAY {
            tokio::task::yield_now().await;
        }
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(mailer.begun.load(Ordering::Relaxed), UNDER_WAY);

        while post.password_reset(address(0)).is_ok() {}
        let told = post.verification(address(0)).expect_err("full");
        assert_eq!(told.code, crate::error::Code::Unavailable);
        assert!(told.details.is_some_and(|details| details["retry_after"] == RETRY_AFTER));
        // Whoever was just registered is not told: it is the operator's matter.
        post.try_verification(address(0));
        assert_eq!(mailer.given_up.load(Ordering::Relaxed), 1);
    }
}
