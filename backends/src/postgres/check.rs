//! What no constraint can say, asked of the whole database; and that every record can be read.

use futures::TryStreamExt as _;
use sqlx::{Row as _, postgres::PgRow};
use uuid::Uuid;

use super::{Connection, PgResult, addresses, archive, codes, error::PgError, plugins, rows};

/// Each finds the ids of what is wrong, and says what that is.
const RULES: &[(&str, &str)] = &[
    (
        "organization {} has not just one Default Team",
        "SELECT o.id FROM orgs o WHERE (SELECT count(*) FROM teams t WHERE t.org_id = o.id AND t.is_default) <> 1",
    ),
    (
        "team {} has no admin",
        "SELECT t.id FROM teams t WHERE (t.is_default OR EXISTS (SELECT 1 FROM members m WHERE m.team_id = t.id))
         AND NOT EXISTS (SELECT 1 FROM members m WHERE m.team_id = t.id AND m.role = 'admin')",
    ),
    (
        "api key {} is limited to no team, or to one of another organization",
        "SELECT k.id FROM api_keys k WHERE k.whole_org = EXISTS (SELECT 1 FROM api_key_teams s WHERE s.key_id = k.id)
         OR EXISTS (SELECT 1 FROM api_key_teams s JOIN teams t ON t.id = s.team_id
                    WHERE s.key_id = k.id AND t.org_id <> k.org_id)",
    ),
    (
        "join request {} is of somebody outside the organization",
        "SELECT r.id FROM join_requests r JOIN teams t ON t.id = r.team_id WHERE r.status = 'pending' AND NOT EXISTS
             (SELECT 1 FROM members m JOIN teams o ON o.id = m.team_id
              WHERE m.user_id = r.user_id AND o.org_id = t.org_id)",
    ),
    (
        "prompt {} would give a number again",
        "SELECT p.id FROM prompts p WHERE EXISTS
             (SELECT 1 FROM versions v WHERE v.prompt_id = p.id AND v.number > p.last_number)",
    ),
];

pub(super) async fn check(c: &mut Connection) -> PgResult<Vec<String>> {
    let mut problems = Vec::new();
    for (says, query) in RULES {
        for row in sqlx::query(*query).fetch_all(&mut *c).await? {
            problems.push(says.replace("{}", &row.try_get::<Uuid, _>("id")?.to_string()));
        }
    }
    let known = sqlx::query(addresses::TOO_MANY).bind(addresses::most());
    for row in known.fetch_all(&mut *c).await? {
        let user: Uuid = row.try_get("user_id")?;
        problems.push(format!("user {user} has too many known addresses"));
    }
    let kept = sqlx::query(plugins::TOO_MANY).bind(plugins::most()).fetch_all(&mut *c).await?;
    for row in kept {
        let (org, plugin): (Uuid, &str) = (row.try_get("org_id")?, row.try_get("plugin")?);
        problems.push(format!("{plugin} keeps too many values for organization {org}"));
    }
    readable(c, "SELECT * FROM users", rows::account, &mut problems).await?;
    readable(c, addresses::EVERY, addresses::read, &mut problems).await?;
    readable(c, codes::RESETS, archive::reset, &mut problems).await?;
    readable(c, "SELECT * FROM orgs", rows::org, &mut problems).await?;
    readable(c, "SELECT * FROM teams", rows::team, &mut problems).await?;
    readable(c, "SELECT * FROM join_requests", rows::join_request, &mut problems).await?;
    readable(c, super::keys::EVERY, rows::key, &mut problems).await?;
    readable(c, "SELECT * FROM prompts", rows::prompt, &mut problems).await?;
    readable(c, super::versions::EVERY, rows::version, &mut problems).await?;
    readable(c, "SELECT * FROM payloads", rows::payload, &mut problems).await?;
    readable(c, "SELECT * FROM org_plugins", rows::org_plugin, &mut problems).await?;
    readable(c, "SELECT * FROM plugin_values", archive::plugin_value, &mut problems).await?;
    Ok(problems)
}

/// Reads every row, one at a time.
async fn readable<T>(
    c: &mut Connection,
    query: &'static str,
    read: fn(&PgRow) -> PgResult<T>,
    problems: &mut Vec<String>,
) -> PgResult<()> {
    let mut found = sqlx::query(query).fetch(c);
    while let Some(row) = found.try_next().await? {
        if let Err(PgError(error)) = read(&row) {
            problems.push(error.to_string());
        }
    }
    Ok(())
}
