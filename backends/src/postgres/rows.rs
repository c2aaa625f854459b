//! Rows to what they mean, and values to what the database takes.

use std::sync::Arc;

use px0_core::{
    Description, Email, Name, Slug, TagName, Timestamp,
    ids::{JoinRequestId, KeyId, OrgId, PayloadId, PromptId, TeamId, UserId, VersionId},
    json::JsonText,
    key::{ApiKey, KeyScope},
    plugin::{OrgPlugin, PluginId},
    prompt::{Payload, Prompt},
    render::EngineName,
    secret::TokenHash,
    store::Found,
    tenancy::{JoinRequest, Member, Membership, Org, Team},
    user::{Account, User},
    version::{Body, Version},
};
use serde::de::{DeserializeOwned, value::StrDeserializer};
use sqlx::{
    Decode, Encode, Postgres, Row as _, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgRow, PgTypeInfo, PgValueRef, types::Oid},
};
use uuid::Uuid;

use super::error::{PgError, corrupt};

type Result<T> = std::result::Result<T, PgError>;

/// A time as `timestamptz`, to the microsecond.
#[derive(Clone, Copy)]
pub(super) struct At(pub Timestamp);

/// Microseconds from 1970 to 2000, where Postgres counts from.
const PG_EPOCH: i64 = 946_684_800_000_000;

impl Type<Postgres> for At {
    fn type_info() -> PgTypeInfo {
        // `timestamptz` in pg_type.dat.
        PgTypeInfo::with_oid(Oid(1184))
    }
}

impl Encode<'_, Postgres> for At {
    fn encode_by_ref(
        &self,
        buffer: &mut PgArgumentBuffer,
    ) -> std::result::Result<IsNull, BoxDynError> {
        let micros = self.0.micros() - PG_EPOCH;
        <i64 as Encode<'_, Postgres>>::encode_by_ref(&micros, buffer)
    }
}

impl<'r> Decode<'r, Postgres> for At {
    fn decode(value: PgValueRef<'r>) -> std::result::Result<Self, BoxDynError> {
        let micros = <i64 as Decode<'r, Postgres>>::decode(value)?;
        let at = micros.checked_add(PG_EPOCH).and_then(Timestamp::from_micros);
        at.map(Self).ok_or_else(|| "a time beyond the year 9999".into())
    }
}

pub(super) fn time(row: &PgRow, column: &str) -> Result<Timestamp> {
    Ok(row.try_get::<At, _>(column)?.0)
}

fn maybe_time(row: &PgRow, column: &str) -> Result<Option<Timestamp>> {
    Ok(row.try_get::<Option<At>, _>(column)?.map(|at| at.0))
}

/// A text that was parsed before it was written.
pub(super) fn parsed<T, E>(
    row: &PgRow,
    column: &str,
    parse: impl FnOnce(&str) -> std::result::Result<T, E>,
) -> Result<T> {
    let text: &str = row.try_get(column)?;
    parse(text).map_err(|_| corrupt(format!("{column} is not what px0 wrote: {text:?}")))
}

/// A word of an enumeration, as it is serialized.
pub(super) fn word<T: DeserializeOwned>(row: &PgRow, column: &str) -> Result<T> {
    parsed(row, column, |text| {
        T::deserialize(StrDeserializer::<serde::de::value::Error>::new(text))
    })
}

pub(super) fn hash(row: &PgRow, column: &str) -> Result<TokenHash> {
    let bytes: &[u8] = row.try_get(column)?;
    let bytes = bytes.try_into().map_err(|_| corrupt(format!("{column} is no hash")))?;
    Ok(TokenHash::from_bytes(bytes))
}

fn uuid(row: &PgRow, column: &str) -> Result<Uuid> {
    Ok(row.try_get(column)?)
}

/// A count or number that is never negative.
pub(super) fn count(row: &PgRow, column: &str) -> Result<usize> {
    let number: i64 = row.try_get(column)?;
    usize::try_from(number).map_err(|_| corrupt(format!("{column} is {number}")))
}

/// A version's number.
pub(super) fn number(row: &PgRow, column: &str) -> Result<u32> {
    let number: i64 = row.try_get(column)?;
    u32::try_from(number).map_err(|_| corrupt(format!("{column} is {number}")))
}

/// Columns `id, email, is_verified, is_admin, created_at`.
pub(super) fn user(row: &PgRow) -> Result<User> {
    Ok(User {
        id: UserId::from_uuid(uuid(row, "id")?),
        email: parsed(row, "email", Email::parse)?,
        is_verified: row.try_get("is_verified")?,
        is_admin: row.try_get("is_admin")?,
        created_at: time(row, "created_at")?,
    })
}

/// Those of a user, `password_hash` and `was_proved`.
pub(super) fn account(row: &PgRow) -> Result<Account> {
    Ok(Account {
        user: user(row)?,
        password_hash: row.try_get("password_hash")?,
        was_proved: row.try_get("was_proved")?,
    })
}

/// Columns `team_id, org_id, is_default, role, since`; none of them when the first is null.
pub(super) fn membership(row: &PgRow) -> Result<Option<Membership>> {
    let Some(team) = row.try_get::<Option<Uuid>, _>("team_id")? else {
        return Ok(None);
    };
    Ok(Some(Membership {
        team: TeamId::from_uuid(team),
        org: OrgId::from_uuid(uuid(row, "org_id")?),
        is_default: row.try_get("is_default")?,
        role: word(row, "role")?,
        created_at: time(row, "since")?,
    }))
}

pub(super) fn org(row: &PgRow) -> Result<Org> {
    Ok(Org {
        id: OrgId::from_uuid(uuid(row, "id")?),
        name: parsed(row, "name", |text| Name::parse("name", text))?,
        created_at: time(row, "created_at")?,
    })
}

pub(super) fn team(row: &PgRow) -> Result<Team> {
    Ok(Team {
        id: TeamId::from_uuid(uuid(row, "id")?),
        org_id: OrgId::from_uuid(uuid(row, "org_id")?),
        name: parsed(row, "name", |text| Name::parse("name", text))?,
        is_default: row.try_get("is_default")?,
        created_at: time(row, "created_at")?,
    })
}

/// A team beside something else: columns `team_id, team_org_id, team_name, team_is_default, team_created_at`.
pub(super) fn joined_team(row: &PgRow) -> Result<Team> {
    Ok(Team {
        id: TeamId::from_uuid(uuid(row, "team_id")?),
        org_id: OrgId::from_uuid(uuid(row, "team_org_id")?),
        name: parsed(row, "team_name", |text| Name::parse("name", text))?,
        is_default: row.try_get("team_is_default")?,
        created_at: time(row, "team_created_at")?,
    })
}

/// Columns `user_id, email, role, created_at`.
pub(super) fn member(row: &PgRow) -> Result<Member> {
    Ok(Member {
        user: UserId::from_uuid(uuid(row, "user_id")?),
        email: parsed(row, "email", Email::parse)?,
        role: word(row, "role")?,
        created_at: time(row, "created_at")?,
    })
}

pub(super) fn join_request(row: &PgRow) -> Result<JoinRequest> {
    Ok(JoinRequest {
        id: JoinRequestId::from_uuid(uuid(row, "id")?),
        team_id: TeamId::from_uuid(uuid(row, "team_id")?),
        user_id: UserId::from_uuid(uuid(row, "user_id")?),
        status: word(row, "status")?,
        justification: row.try_get("justification")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
    })
}

/// Those of `api_keys`, and `team_ids`.
pub(super) fn key(row: &PgRow) -> Result<ApiKey> {
    let teams: Vec<Uuid> = row.try_get("team_ids")?;
    let scope = if row.try_get("whole_org")? {
        KeyScope::Org
    } else {
        KeyScope::Teams(teams.into_iter().map(TeamId::from_uuid).collect())
    };
    Ok(ApiKey {
        id: KeyId::from_uuid(uuid(row, "id")?),
        name: parsed(row, "name", |text| Name::parse("name", text))?,
        org_id: OrgId::from_uuid(uuid(row, "org_id")?),
        scope,
        operation: word(row, "operation")?,
        hash: hash(row, "hash")?,
        prefix: row.try_get("prefix")?,
        created_by: UserId::from_uuid(uuid(row, "created_by")?),
        created_at: time(row, "created_at")?,
        last_used_at: maybe_time(row, "last_used_at")?,
    })
}

pub(super) fn prompt(row: &PgRow) -> Result<Prompt> {
    Ok(Prompt {
        id: PromptId::from_uuid(uuid(row, "id")?),
        team_id: TeamId::from_uuid(uuid(row, "team_id")?),
        slug: parsed(row, "slug", |text| Slug::exact(text).ok_or(()))?,
        name: parsed(row, "name", |text| Name::parse("name", text))?,
        description: parsed(row, "description", |text| Description::parse("description", text))?,
        status: word(row, "status")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
    })
}

/// Those of a prompt, and `org_id`.
pub(super) fn found(row: &PgRow) -> Result<Found> {
    Ok(Found { org: OrgId::from_uuid(uuid(row, "org_id")?), prompt: prompt(row)? })
}

fn maybe_json(row: &PgRow, column: &str) -> Result<Option<JsonText>> {
    let text: Option<&str> = row.try_get(column)?;
    let parse = |text| JsonText::parse(text).map_err(|_| corrupt(format!("{column} is no JSON")));
    text.map(parse).transpose()
}

/// Columns `v_…`, and `v_tags`; none of them when the first is null.
pub(super) fn version(row: &PgRow) -> Result<Option<Version>> {
    let Some(id) = row.try_get::<Option<Uuid>, _>("v_id")? else {
        return Ok(None);
    };
    let tags: Vec<String> = row.try_get("v_tags")?;
    let tags = tags.iter().map(|tag| TagName::parse(tag).map_err(|_| corrupt("v_tags")));
    let template: &str = row.try_get("v_template")?;
    let model = row.try_get::<Option<String>, _>("v_model")?;
    Ok(Some(Version {
        id: VersionId::from_uuid(id),
        prompt_id: PromptId::from_uuid(uuid(row, "v_prompt_id")?),
        number: number(row, "v_number")?,
        status: word(row, "v_status")?,
        body: Body {
            template: Arc::from(template),
            engine: EngineName::new(row.try_get::<&str, _>("v_engine")?),
            model: model.map(|_| word(row, "v_model")).transpose()?,
            model_params: maybe_json(row, "v_model_params")?,
            variables_schema: maybe_json(row, "v_variables_schema")?,
        },
        created_at: time(row, "v_created_at")?,
        updated_at: time(row, "v_updated_at")?,
        published_at: maybe_time(row, "v_published_at")?,
        tags: tags.collect::<Result<_>>()?,
    }))
}

pub(super) fn payload(row: &PgRow) -> Result<Payload> {
    let name: Option<&str> = row.try_get("name")?;
    let name =
        name.map(|name| Name::parse("name", name)).transpose().map_err(|_| corrupt("name"))?;
    Ok(Payload {
        id: PayloadId::from_uuid(uuid(row, "id")?),
        prompt_id: PromptId::from_uuid(uuid(row, "prompt_id")?),
        name,
        variables: parsed(row, "variables", JsonText::parse)?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
    })
}

pub(super) fn org_plugin(row: &PgRow) -> Result<OrgPlugin> {
    Ok(OrgPlugin {
        org_id: OrgId::from_uuid(uuid(row, "org_id")?),
        plugin: parsed(row, "plugin", PluginId::parse)?,
        kind: word(row, "kind")?,
        enabled: row.try_get("enabled")?,
        on_failure: word(row, "on_failure")?,
        settings: maybe_json(row, "settings")?,
        updated_at: time(row, "updated_at")?,
    })
}
