//! All that a store keeps, as a stream of records: how data moves from one backend to another, and into a backup.
//!
//! A record is what a thing is, not how a backend keeps it: the same things give the same records on every backend, in the
//! same order, so two stores that keep the same have archives of the same checksum. Secrets are in it only as hashes.
//! Verification codes are left out: they last minutes. The key that they were sealed with is in an archive, because without it
//! the known addresses would be nobody's.

use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Result, StoreError};
use crate::{
    clock::Timestamp,
    ids::{OrgId, PromptId, UserId},
    key::ApiKey,
    mailed::MailedCodes,
    page::Weigh,
    plugin::{OrgPlugin, PluginId, ValueKey},
    prompt::{Payload, Prompt},
    secret::CodeKey,
    tag::TagName,
    tenancy::{JoinRequest, Membership, Org, Team},
    user::{Account, KnownAddress, Session},
    version::Version,
};

/// One thing that is kept. Archives have the kinds in this order, and each kind by its ids in byte order (versions: the highest
/// number first; tags: by prompt, then in byte order; what is about plugins: by organization, plugin and key, in byte order),
/// so what a record needs comes before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// The key under which known addresses are sealed.
    CodeKey(CodeKey),
    /// Somebody.
    User(Account),
    /// An address that somebody logged in from.
    KnownAddress(KnownAddress),
    /// An open session.
    Session(Session),
    /// The reset codes that were mailed to somebody.
    Reset {
        /// To whom.
        user: UserId,
        /// What is kept of them.
        #[serde(flatten)]
        codes: MailedCodes,
    },
    /// An organization.
    Org(Org),
    /// A team.
    Team(Team),
    /// Somebody's place in a team.
    Member {
        /// Whose.
        user: UserId,
        /// Which.
        membership: Membership,
    },
    /// A join request.
    JoinRequest(JoinRequest),
    /// An API key.
    ApiKey(ApiKey),
    /// A prompt.
    Prompt {
        /// Which.
        prompt: Prompt,
        /// The last number that was given to a version of it.
        last_number: u32,
    },
    /// A version of a prompt, without its tags.
    Version(Version),
    /// A tag of a prompt.
    Tag {
        /// Whose.
        prompt: PromptId,
        /// What it is called.
        tag: TagName,
        /// The number of the version that has it.
        number: u32,
    },
    /// A sample payload.
    Payload(Payload),
    /// What an organization decided about a plugin.
    OrgPlugin(OrgPlugin),
    /// A value that a hook keeps.
    PluginValue {
        /// For whom.
        org: OrgId,
        /// The hook's plugin.
        plugin: PluginId,
        /// Under which key.
        key: ValueKey,
        /// The value.
        #[serde(with = "crate::hex")]
        value: Vec<u8>,
    },
}

impl Weigh for Record {
    fn weight(&self) -> usize {
        match self {
            Self::Version(version) => version.weight(),
            Self::Payload(payload) => payload.weight(),
            Self::OrgPlugin(decision) => decision.weight(),
            Self::PluginValue { value, .. } => value.len(),
            _ => 0,
        }
    }
}

/// Takes records as they come out of a store; an error of its ends the export.
pub type Sink<'a> = dyn FnMut(Record) -> Result<()> + Send + 'a;

/// Records on their way into a store.
pub type Source<'a> = dyn Iterator<Item = Result<Record>> + Send + 'a;

/// The version of the format: the first line of a file says it. Former ones are read, newer ones refused. Version 2 has addresses that
/// users logged in from, and the key that they are sealed with.
const FORMAT: u32 = 2;

/// The first line of a file.
#[derive(Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of the format.
    pub px0_archive: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// What it was made from, in words.
    pub source: String,
}

/// The last line of a file: without it, the file was cut off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// How many records there are.
    pub records: u64,
    /// The SHA-256 of their lines, in hex: equal for equal contents, whatever the backend and the day.
    pub sha256: String,
}

#[derive(Serialize, Deserialize)]
struct End {
    end: Summary,
}

impl Summary {
    /// The summary that a line is, if it is the last line of an archive.
    pub fn of(line: &str) -> Option<Self> {
        let end = line.starts_with("{\"end\":").then(|| serde_json::from_str::<End>(line));
        Some(end?.ok()?.end)
    }
}

#[derive(Default)]
struct Sum {
    records: u64,
    hash: Sha256,
}

impl Sum {
    fn add(&mut self, line: &[u8]) {
        self.records += 1;
        self.hash.update(line);
        self.hash.update(b"\n");
    }

    fn finish(self) -> Summary {
        let hash = self.hash.finalize();
        Summary { records: self.records, sha256: crate::hex::text(&hash) }
    }
}

/// Writes an archive: JSON Lines, a manifest first and a summary last.
pub struct Writer<W> {
    out: W,
    sum: Sum,
}

impl<W: Write> Writer<W> {
    /// Begins one.
    ///
    /// # Errors
    /// What the writer below says.
    pub fn new(mut out: W, source: String) -> io::Result<Self> {
        let manifest = Manifest { px0_archive: FORMAT, created_at: Timestamp::now(), source };
        line(&mut out, &manifest)?;
        Ok(Self { out, sum: Sum::default() })
    }

    /// Adds a record.
    ///
    /// # Errors
    /// What the writer below says.
    pub fn write(&mut self, record: &Record) -> io::Result<()> {
        let mut text = serde_json::to_vec(record)?;
        // JSON that somebody wrote in lines: in valid JSON a line break stands only between tokens, where a space is as good.
        text.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
        self.sum.add(&text);
        self.out.write_all(&text)?;
        self.out.write_all(b"\n")
    }

    /// Ends it; answers its summary.
    ///
    /// # Errors
    /// What the writer below says.
    pub fn finish(mut self) -> io::Result<(W, Summary)> {
        let summary = self.sum.finish();
        line(&mut self.out, &End { end: summary.clone() })?;
        self.out.flush()?;
        Ok((self.out, summary))
    }
}

fn line<W: Write, T: Serialize>(out: &mut W, value: &T) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

/// Reads an archive, record by record. The end of the iteration means that the archive is whole and unchanged.
pub struct Reader<R> {
    lines: io::Lines<R>,
    sum: Sum,
    number: u64,
    /// What its first line says.
    pub manifest: Manifest,
    /// Its summary, once all of it was read.
    pub summary: Option<Summary>,
    ended: bool,
}

/// An archive that cannot be read, with the line where.
fn unreadable(number: u64, why: impl std::fmt::Display) -> StoreError {
    StoreError::broken(format!("line {number} of the archive"), why.to_string())
}

impl<R: BufRead> Reader<R> {
    /// Begins to read one.
    ///
    /// # Errors
    /// When it is none, or of a newer px0.
    pub fn new(input: R) -> Result<Self> {
        let mut lines = input.lines();
        let first = lines.next().transpose().map_err(|error| unreadable(1, error))?;
        let first = first.ok_or_else(|| unreadable(1, "the archive is empty"))?;
        let manifest: Manifest =
            serde_json::from_str(&first).map_err(|_| unreadable(1, "this is no archive of px0"))?;
        if !(1..=FORMAT).contains(&manifest.px0_archive) {
            let why = format!(
                "the archive has format {}; this px0 reads up to {FORMAT}; a newer px0 made it",
                manifest.px0_archive
            );
            return Err(unreadable(1, why));
        }
        Ok(Self { lines, sum: Sum::default(), number: 1, manifest, summary: None, ended: false })
    }

    fn read(&mut self) -> Result<Option<Record>> {
        self.number += 1;
        let number = self.number;
        let wrong = |why: String| unreadable(number, why);
        let Some(line) = self.lines.next() else {
            return Err(wrong("the archive was cut off: its last line is missing".to_owned()));
        };
        let line = line.map_err(|error| wrong(error.to_string()))?;
        if let Some(end) = Summary::of(&line) {
            if self.lines.next().is_some() {
                return Err(wrong("there is something behind the end".to_owned()));
            }
            let found = std::mem::take(&mut self.sum).finish();
            if found != end {
                return Err(wrong("the archive was changed: its checksum is another".to_owned()));
            }
            self.summary = Some(end);
            return Ok(None);
        }
        self.sum.add(line.as_bytes());
        // The parser's reason is about types of ours; the place is what helps.
        serde_json::from_str(&line).map(Some).map_err(|error| {
            wrong(format!("column {}: this is not what px0 writes there", error.column()))
        })
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        if self.ended {
            return None;
        }
        let read = self.read();
        self.ended = !matches!(read, Ok(Some(_)));
        read.transpose()
    }
}

/// What an archive says must be true together. `problems` is what a check of it found.
///
/// # Errors
/// The first of the problems.
pub fn consistent(problems: &[String]) -> Result<()> {
    match problems.first() {
        Some(problem) => Err(StoreError::broken("the archive contradicts itself", problem.clone())),
        None => Ok(()),
    }
}

/// The store that is to be imported into has something in it.
pub fn not_empty() -> StoreError {
    StoreError::Unavailable(
        "there is something in the store already; import into an empty one".to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Name;

    fn record(name: &str) -> Record {
        let created_at = Timestamp::from_micros(1).expect("a time");
        let id = OrgId::from_uuid(uuid::Uuid::from_u128(7));
        Record::Org(Org { id, name: Name::made(name), created_at })
    }

    fn archive(names: &[&str]) -> (String, Summary) {
        let mut writer = Writer::new(Vec::new(), "a test".to_owned()).expect("memory");
        for name in names {
            writer.write(&record(name)).expect("memory");
        }
        let (bytes, summary) = writer.finish().expect("memory");
        (String::from_utf8(bytes).expect("text"), summary)
    }

    fn read(text: &str) -> Result<Vec<Record>> {
        Reader::new(text.as_bytes())?.collect()
    }

    #[test]
    fn what_was_written_is_read() {
        let (text, summary) = archive(&["a", "b"]);
        assert_eq!(read(&text), Ok(vec![record("a"), record("b")]));
        assert_eq!(summary.records, 2);
        let mut reader = Reader::new(text.as_bytes()).expect("an archive");
        assert_eq!(reader.by_ref().count(), 2);
        assert_eq!(reader.summary, Some(summary));
        assert_ne!(archive(&["a"]).1.sha256, archive(&["b"]).1.sha256);
    }

    #[test]
    fn json_in_lines_is_a_record_a_line() {
        let payload = Payload {
            id: crate::ids::PayloadId::new(),
            prompt_id: PromptId::new(),
            name: None,
            variables: crate::json::JsonText::parse("{\r\n  \"a\": \"b\\n\"\n}").expect("json"),
            created_at: Timestamp::now(),
            updated_at: Timestamp::now(),
        };
        let mut writer = Writer::new(Vec::new(), "a test".to_owned()).expect("memory");
        writer.write(&Record::Payload(payload)).expect("memory");
        let (bytes, _) = writer.finish().expect("memory");
        let text = String::from_utf8(bytes).expect("text");
        assert_eq!(text.lines().count(), 3);
        match read(&text).expect("an archive").as_slice() {
            [Record::Payload(read)] => {
                assert_eq!(read.variables.as_str(), "{    \"a\": \"b\\n\" }")
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn records_of_a_former_px0_are_read() {
        let user = UserId::new();
        let hash = crate::secret::TokenHash::of("code");
        let reset = serde_json::json!({ "reset": { "user": user, "code": {
            "hash": hash, "expires_at": "2026-01-02T03:04:05Z", "tries_left": 5,
        } } });
        match serde_json::from_value(reset).expect("a record") {
            Record::Reset { user: whose, codes } => {
                assert_eq!((whose, codes.code.hash, codes.former.len()), (user, hash, 0));
            }
            other => panic!("{other:?}"),
        }
        let account = serde_json::json!({ "user": {
            "id": user, "email": "bob@example.com", "is_verified": true, "is_admin": false,
            "created_at": "2026-01-02T03:04:05Z", "password_hash": "$argon2id$",
        } });
        match serde_json::from_value(account).expect("a record") {
            Record::User(account) => assert!(account.user.is_verified && !account.was_proved),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_was_cut_off_or_changed_is_refused() {
        let (text, _) = archive(&["abc", "b"]);
        let lines: Vec<_> = text.lines().collect();
        for broken in [
            String::new(),
            "{}".to_owned(),
            lines[..3].join("\n"),
            [lines[0], lines[1], lines[3]].join("\n"),
            text.replace("abc", "abd"),
            format!("{text}\n{}", lines[1]),
            text.replacen("\"px0_archive\":2", "\"px0_archive\":3", 1),
        ] {
            let told = read(&broken).expect_err("not whole").to_string();
            assert!(told.starts_with("line "), "{told}");
        }
        assert!(
            read(&text.replacen("\"px0_archive\":2", "\"px0_archive\":1", 1)).is_ok(),
            "former ones are read"
        );
    }
}
