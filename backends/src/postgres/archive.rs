//! Export and import: one transaction each, so an export sees one moment and an import happens whole or not at all.

use futures::TryStreamExt as _;
use px0_core::{
    ids::{OrgId, PromptId, UserId},
    plugin::{PluginId, ValueKey},
    store::{
        Change,
        archive::{Record, Sink, Source, consistent, not_empty},
    },
    tag::TagName,
    user::Session,
    version::Version,
};
use sqlx::{Row as _, postgres::PgRow};

use super::{
    Connection, PgResult, PgStore, accounts, addresses, check, codes, keys, members, plugins,
    prompts, requests, rows, tenancy, versions,
};

impl PgStore {
    pub(super) async fn hand_out(&self, to: &mut Sink<'_>) -> PgResult<()> {
        let mut tx = self.one_moment().await?;
        Self::take_time(&mut tx).await?;
        let c = &mut *tx;
        let about = "SELECT code_key FROM about";
        each(c, about, to, |row| Ok(Record::CodeKey(accounts::code_key(row)?))).await?;
        let users = "SELECT * FROM users ORDER BY id";
        each(c, users, to, |row| Ok(Record::User(rows::account(row)?))).await?;
        each(c, addresses::EVERY, to, |row| Ok(Record::KnownAddress(addresses::read(row)?)))
            .await?;
        each(c, "SELECT * FROM sessions ORDER BY hash", to, session).await?;
        each(c, codes::RESETS, to, reset).await?;
        each(c, "SELECT * FROM orgs ORDER BY id", to, |row| Ok(Record::Org(rows::org(row)?)))
            .await?;
        each(c, "SELECT * FROM teams ORDER BY id", to, |row| Ok(Record::Team(rows::team(row)?)))
            .await?;
        each(
            c,
            "SELECT m.user_id, m.team_id, t.org_id, t.is_default, m.role, m.created_at AS since
             FROM members m JOIN teams t ON t.id = m.team_id ORDER BY m.user_id, m.team_id",
            to,
            member,
        )
        .await?;
        let asking = "SELECT * FROM join_requests ORDER BY id";
        each(c, asking, to, |row| Ok(Record::JoinRequest(rows::join_request(row)?))).await?;
        each(c, keys::EVERY, to, |row| Ok(Record::ApiKey(rows::key(row)?))).await?;
        each(c, "SELECT * FROM prompts ORDER BY id", to, prompt).await?;
        each(c, versions::EVERY, to, version).await?;
        each(c, "SELECT * FROM tags ORDER BY prompt_id, tag", to, tag).await?;
        let payloads = "SELECT * FROM payloads ORDER BY id";
        each(c, payloads, to, |row| Ok(Record::Payload(rows::payload(row)?))).await?;
        let decisions = "SELECT * FROM org_plugins ORDER BY org_id, plugin";
        each(c, decisions, to, |row| Ok(Record::OrgPlugin(rows::org_plugin(row)?))).await?;
        let values = "SELECT * FROM plugin_values ORDER BY org_id, plugin, key";
        each(c, values, to, plugin_value).await
    }

    pub(super) async fn take_in(&self, from: &mut Source<'_>) -> PgResult<()> {
        let mut tx = self.begin().await?;
        // Whoever else would write waits, and then finds the store full.
        let lock = "LOCK TABLE orgs, users IN EXCLUSIVE MODE";
        sqlx::query(lock).execute(&mut *tx).await?;
        Self::take_time(&mut tx).await?;
        let query = "SELECT EXISTS (SELECT 1 FROM users) OR EXISTS (SELECT 1 FROM orgs) AS is_full";
        let row = sqlx::query(query).fetch_one(&mut *tx).await?;
        if row.try_get("is_full")? {
            return Err(not_empty().into());
        }
        for record in from {
            insert(&mut tx, record?).await?;
        }
        // The planner knows nothing of tables that were empty a moment ago.
        let analyze =
            "ANALYZE users, known_addresses, sessions, orgs, teams, members, join_requests, api_keys, api_key_teams,
                               prompts, versions, tags, payloads, org_plugins, plugin_values";
        sqlx::query(analyze).execute(&mut *tx).await?;
        consistent(&check::check(&mut tx).await?)?;
        tx.changed(Change::All);
        tx.commit().await
    }
}

async fn each(
    c: &mut Connection,
    query: &'static str,
    to: &mut Sink<'_>,
    read: fn(&PgRow) -> PgResult<Record>,
) -> PgResult<()> {
    let mut found = sqlx::query(query).fetch(c);
    while let Some(row) = found.try_next().await? {
        to(read(&row)?)?;
    }
    Ok(())
}

fn session(row: &PgRow) -> PgResult<Record> {
    Ok(Record::Session(Session {
        hash: rows::hash(row, "hash")?,
        user: UserId::from_uuid(row.try_get("user_id")?),
        created_at: rows::time(row, "created_at")?,
        expires_at: rows::time(row, "expires_at")?,
    }))
}

pub(super) fn reset(row: &PgRow) -> PgResult<Record> {
    let user = UserId::from_uuid(row.try_get("user_id")?);
    Ok(Record::Reset { user, codes: codes::read(row)? })
}

fn member(row: &PgRow) -> PgResult<Record> {
    let user = UserId::from_uuid(row.try_get("user_id")?);
    let membership = rows::membership(row)?;
    let membership = membership.ok_or_else(|| super::error::corrupt("a member of no team"))?;
    Ok(Record::Member { user, membership })
}

fn prompt(row: &PgRow) -> PgResult<Record> {
    Ok(Record::Prompt {
        prompt: rows::prompt(row)?,
        last_number: u32::try_from(rows::count(row, "last_number")?).unwrap_or(u32::MAX),
    })
}

fn version(row: &PgRow) -> PgResult<Record> {
    let version = rows::version(row)?;
    let version = version.ok_or_else(|| super::error::corrupt("a version without an id"))?;
    Ok(Record::Version(Version { tags: Vec::new(), ..version }))
}

fn tag(row: &PgRow) -> PgResult<Record> {
    Ok(Record::Tag {
        prompt: PromptId::from_uuid(row.try_get("prompt_id")?),
        tag: rows::parsed(row, "tag", TagName::parse)?,
        number: rows::number(row, "number")?,
    })
}

pub(super) fn plugin_value(row: &PgRow) -> PgResult<Record> {
    Ok(Record::PluginValue {
        org: OrgId::from_uuid(row.try_get("org_id")?),
        plugin: rows::parsed(row, "plugin", PluginId::parse)?,
        key: rows::parsed(row, "key", |key| ValueKey::parse(key).ok_or(()))?,
        value: row.try_get("value")?,
    })
}

async fn insert(c: &mut Connection, record: Record) -> PgResult<()> {
    match record {
        Record::CodeKey(key) => accounts::set_code_key(c, key).await,
        Record::KnownAddress(known) => addresses::put(c, &known).await,
        Record::User(account) => accounts::insert(c, &account).await,
        Record::Session(session) => accounts::insert_session(c, &session).await,
        Record::Reset { user, codes } => codes::put(c, user, codes::RESET, &codes).await,
        Record::Org(org) => tenancy::insert_only_org(c, &org).await,
        Record::Team(team) => tenancy::insert_team(c, &team).await,
        Record::Member { user, membership: seat } => {
            members::insert(c, seat.team, user, seat.role, seat.created_at).await
        }
        Record::JoinRequest(request) => requests::insert(c, &request).await,
        Record::ApiKey(key) => keys::insert(c, &key).await,
        Record::Prompt { prompt, last_number } => prompts::insert(c, &prompt, last_number).await,
        Record::Version(version) => versions::insert(c, &version).await,
        Record::Tag { prompt, tag, number } => versions::insert_tag(c, prompt, &tag, number).await,
        Record::Payload(payload) => prompts::insert_payload(c, &payload).await,
        Record::OrgPlugin(decision) => plugins::put(c, &decision).await,
        Record::PluginValue { org, plugin, key, value } => {
            plugins::put_value(c, org, &plugin, &key, &value).await
        }
    }
}
