//! Export and import.
//!
//! sled has no snapshots. While an export goes on, the committer notes what each key that it changes held before
//! ([`Gate::remember`]), so the export sees the store as it was when it began, in strides, and writers wait for a stride at most.

use std::ops::Bound;

use px0_core::{
    page::Weigh,
    prompt::Payload,
    secret::CodeKey,
    store::{
        Change, Result, Store as _,
        archive::{Record as Archived, Sink, Source, consistent, not_empty},
    },
    tenancy::{JoinRequest, Org, Team},
    user::{Account, KnownAddress, Session},
    version::Version,
};

use super::{
    SledStore, accounts,
    committer::{Gate, Moment},
    keyspace::{self, CODE_KEY, IMPORTING, Key},
    lines::{Head, Line, Tag, Text},
    record::Record,
    records::{Place, PluginValue, Reset},
    tx::Tx,
    view::View,
};

/// Most records that are read in one go.
const STRIDE: usize = 256;

/// Most records that are written in one step.
const STEP: usize = 1024;

/// Strides and steps end when their records weigh so much, in bytes.
const MUCH: usize = 4 * 1024 * 1024;

/// The store as it was at one moment; it is forgotten when this is dropped.
struct Then<'a> {
    gate: &'a Gate,
    moment: Moment,
}

impl<'a> Then<'a> {
    fn now(gate: &'a Gate) -> Result<Self> {
        Ok(Self { moment: gate.remember()?, gate })
    }

    /// The next records of a kind after a key, as they were; and the last key that was looked at, unless that was the end.
    fn stride<R: Record>(
        &self,
        kind: &Key,
        after: Option<&Key>,
        read: &impl Fn(&View<'_>, R) -> Result<Archived>,
    ) -> Result<(Vec<Archived>, Option<Key>)> {
        self.gate.read_then(&self.moment, |now, then, past| {
            let pairs = now.scan_after(kind, after)?.take(STRIDE);
            let keys = pairs.map(|pair| Ok(Key::from_bytes(&pair?.0)));
            let mut keys = keys.collect::<Result<Vec<_>>>()?;
            // What was there then, and perhaps is not there now. Of both together, the first are among the first of each.
            let from = after.map_or(Bound::Included(kind), Bound::Excluded);
            let gone = past.range::<Key, _>((from, Bound::Unbounded)).map(|(key, _)| key);
            let gone = gone.take_while(|key| key.as_bytes().starts_with(kind.as_bytes()));
            keys.extend(gone.take(STRIDE).cloned());
            keys.sort();
            keys.dedup();
            let last = if keys.len() < STRIDE { None } else { keys.get(STRIDE - 1).cloned() };
            keys.truncate(STRIDE);
            let (mut records, mut bytes) = (Vec::new(), 0);
            for key in keys {
                if let Some(record) = then.get::<R>(&key)? {
                    let record = read(then, record)?;
                    bytes += record.weight();
                    records.push(record);
                }
                if bytes > MUCH {
                    return Ok((records, Some(key)));
                }
            }
            Ok((records, last))
        })
    }

    /// Hands every record of a kind to the sink.
    fn each<R: Record>(
        &self,
        kind: u8,
        to: &mut Sink<'_>,
        read: impl Fn(&View<'_>, R) -> Result<Archived>,
    ) -> Result<()> {
        let kind = Key::from_bytes(&[kind]);
        let mut after = None;
        loop {
            let (records, last) = self.stride(&kind, after.as_ref(), &read)?;
            records.into_iter().try_for_each(&mut *to)?;
            after = last;
            if after.is_none() {
                return Ok(());
            }
        }
    }
}

impl Drop for Then<'_> {
    fn drop(&mut self) {
        self.gate.forget(&self.moment);
    }
}

/// Every record of the store, in the order of archives.
pub(super) fn export(gate: &Gate, to: &mut Sink<'_>) -> Result<()> {
    let then = Then::now(gate)?;
    // It never changes, so any moment will do.
    if let Some(key) = gate.read(accounts::code_key)? {
        to(Archived::CodeKey(key))?;
    }
    then.each(b'U', to, |_, account: Account| Ok(Archived::User(account)))?;
    then.each(b'A', to, |_, known: KnownAddress| Ok(Archived::KnownAddress(known)))?;
    then.each(b'S', to, |_, session: Session| Ok(Archived::Session(session)))?;
    then.each(b'R', to, |_, Reset { user, codes }| Ok(Archived::Reset { user, codes }))?;
    then.each(b'O', to, |_, org: Org| Ok(Archived::Org(org)))?;
    then.each(b'T', to, |_, team: Team| Ok(Archived::Team(team)))?;
    then.each(b'm', to, |_, Place { user, membership }| Ok(Archived::Member { user, membership }))?;
    then.each(b'J', to, |_, request: JoinRequest| Ok(Archived::JoinRequest(request)))?;
    then.each(b'K', to, |_, key| Ok(Archived::ApiKey(key)))?;
    then.each(b'P', to, |_, Line { prompt, last_number, .. }| {
        Ok(Archived::Prompt { prompt, last_number })
    })?;
    then.each(b'W', to, |view, head: Head| {
        let body = view.must::<Text>(&keyspace::body(head.id))?.body;
        Ok(Archived::Version(head.with(body, Vec::new())))
    })?;
    then.each(b't', to, |_, Tag { prompt, tag, number }| {
        Ok(Archived::Tag { prompt, tag, number })
    })?;
    then.each(b'Y', to, |_, payload: Payload| Ok(Archived::Payload(payload)))?;
    then.each(b'D', to, |_, decision| Ok(Archived::OrgPlugin(decision)))?;
    then.each(b'X', to, |_, PluginValue { org, plugin, key, value }| {
        Ok(Archived::PluginValue { org, plugin, key, value })
    })
}

impl SledStore {
    /// Takes in an archive, in steps: what was begun and not ended cannot be opened again.
    pub(super) async fn take_in(&self, from: &mut Source<'_>) -> Result<()> {
        let key = self.write(|tx| {
            for kind in [b'U', b'O'] {
                if tx.scan(&Key::from_bytes(&[kind]))?.next().transpose()?.is_some() {
                    return Err(not_empty());
                }
            }
            tx.mark(IMPORTING, Some(b"1"));
            accounts::code_key(tx)
        });
        let key = key.await?;
        let done = self.fill(from).await;
        match done {
            Ok(()) => self.ended().await,
            Err(error) => {
                self.empty(key).await?;
                Err(error)
            }
        }
    }

    async fn fill(&self, from: &mut Source<'_>) -> Result<()> {
        loop {
            let (mut step, mut bytes) = (Vec::new(), 0);
            while step.len() < STEP && bytes <= MUCH {
                let Some(record) = from.next().transpose()? else { break };
                bytes += record.weight();
                step.push(record);
            }
            if step.is_empty() {
                return consistent(&self.check().await?);
            }
            self.write(|tx| step.into_iter().try_for_each(|record| insert(tx, record))).await?;
        }
    }

    /// The import is not going on any more.
    async fn ended(&self) -> Result<()> {
        let unmark = |tx: &mut Tx<'_>| {
            tx.mark(IMPORTING, None);
            tx.changed(Change::All);
            Ok(())
        };
        self.write(unmark).await
    }

    /// Takes everything back that an import brought, so that the store is as empty as it was, with the key that it had.
    async fn empty(&self, key: Option<CodeKey>) -> Result<()> {
        let restore = move |tx: &mut Tx<'_>| {
            tx.mark(CODE_KEY, key.as_ref().map(|key| &key.expose()[..]));
            Ok(())
        };
        self.write(restore).await?;
        loop {
            let more = self.write(|tx| {
                let kept = keyspace::ABOUT.map(keyspace::about);
                let mut keys = Vec::new();
                for pair in tx.scan(&Key::from_bytes(&[]))? {
                    let key = Key::from_bytes(&pair?.0);
                    if !kept.contains(&key) {
                        keys.push(key);
                    }
                    if keys.len() == STEP {
                        break;
                    }
                }
                let more = !keys.is_empty();
                tx.drop_all(keys);
                Ok(more)
            });
            if !more.await? {
                return self.ended().await;
            }
        }
    }
}

fn insert(tx: &mut Tx<'_>, record: Archived) -> Result<()> {
    match record {
        Archived::CodeKey(key) => {
            tx.mark(CODE_KEY, Some(&key.expose()[..]));
            Ok(())
        }
        Archived::User(account) => tx.insert(&account),
        Archived::KnownAddress(known) => tx.insert(&known),
        Archived::Session(session) => tx.insert(&session),
        Archived::Reset { user, codes } => tx.insert(&Reset { user, codes }),
        Archived::Org(org) => tx.insert(&org),
        Archived::Team(team) => tx.insert(&team),
        Archived::Member { user, membership } => tx.insert(&Place { user, membership }),
        Archived::JoinRequest(request) => tx.insert(&request),
        Archived::ApiKey(key) => tx.insert(&key),
        Archived::Prompt { prompt, last_number } => {
            let org = tx.team(prompt.team_id)?.org_id;
            tx.insert(&Line { prompt, org, last_number })
        }
        Archived::Version(version) => {
            let Version { id, prompt_id, number, status, body, .. } = version;
            tx.insert(&Text { version: id, body })?;
            tx.insert(&Head {
                id,
                prompt: prompt_id,
                number,
                status,
                created_at: version.created_at,
                updated_at: version.updated_at,
                published_at: version.published_at,
            })
        }
        Archived::Tag { prompt, tag, number } => tx.insert(&Tag { prompt, tag, number }),
        Archived::Payload(payload) => tx.insert(&payload),
        Archived::OrgPlugin(decision) => tx.insert(&decision),
        Archived::PluginValue { org, plugin, key, value } => {
            tx.insert(&PluginValue { org, plugin, key, value })
        }
    }
}
