use std::{fs, io::Write, path::PathBuf, time::Duration};

use async_trait::async_trait;
use px0_core::{
    Timestamp,
    workflows::{Mail, Mailer},
};
use serde_json::json;
use uuid::Uuid;

/// Writes each mail into a folder, as one JSON file that appears whole: for tests, and for other programs to pick up.
/// File names sort by time.
pub(super) struct FileMailer {
    outbox: PathBuf,
    ttl: Duration,
}

impl FileMailer {
    pub(super) fn new(outbox: PathBuf, ttl: Duration) -> Result<Self, String> {
        let made = fs::create_dir_all(&outbox);
        made.map_err(|error| {
            format!("cannot make the outbox folder {}: {error}", outbox.display())
        })?;
        Ok(Self { outbox, ttl })
    }
}

#[async_trait]
impl Mailer for FileMailer {
    async fn deliver(&self, mail: &Mail) -> Result<(), String> {
        let text = json!({
            "to": mail.to(),
            "kind": mail.kind(),
            "subject": mail.subject(),
            "text": mail.text(self.ttl),
            "code": mail.code(),
            "sent_at": Timestamp::now(),
        });
        let name = Uuid::now_v7();
        let (part, whole) =
            (self.outbox.join(format!(".{name}.part")), self.outbox.join(format!("{name}.json")));
        let write = move || {
            private(&part)?.write_all(text.to_string().as_bytes())?;
            fs::rename(&part, &whole)
        };
        let written =
            tokio::task::spawn_blocking(write).await.map_err(|error| error.to_string())?;
        written.map_err(|error| error.to_string())
    }

    fn gave_up(&self, kind: &'static str, why: &str) {
        super::gave_up(kind, why);
    }
}

/// A new file that only its owner reads: there are codes in it.
fn private(path: &std::path::Path) -> std::io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
