use async_trait::async_trait;
use px0_core::{
    ids::{JoinRequestId, OrgId, TeamId, UserId},
    name::Name,
    page::{Counted, Numbered},
    store::{Change, NewMember, Reach, Refusal, Result, Stamp, Tenancy},
    tenancy::{InboxItem, JoinRequest, Member, Org, Role, Team},
    user::User,
};
use sqlx::{Row as _, postgres::PgRow};
use uuid::Uuid;

use super::{
    Connection, PgResult, PgStore, Write, delete, locks, members, requests, rows, rows::At, rule,
};

#[async_trait]
impl Tenancy for PgStore {
    async fn create_org(&self, stamp: Stamp, org: Org, team: Team, founder: UserId) -> Result<()> {
        self.pg(async {
            let mut tx = self.begin_at(founder.uuid()).await?;
            locks::user(&mut tx, founder).await?;
            let other = is_in_other_named(&mut tx, founder, &org.name, None).await?;
            rule(!other, Refusal::OrgNameTaken)?;
            insert_org(&mut tx, &org, &team).await?;
            members::join(&mut tx, team.id, founder, Role::Admin, stamp.at).await?;
            tx.commit().await
        })
        .await
    }

    async fn org(&self, org: OrgId) -> Result<Option<Org>> {
        self.pg(async {
            let query = sqlx::query("SELECT * FROM orgs WHERE id = $1").bind(org.uuid());
            query.fetch_optional(&self.pool).await?.as_ref().map(rows::org).transpose()
        })
        .await
    }

    async fn rename_org(&self, _: Stamp, org: OrgId, name: Name, by: UserId) -> Result<Org> {
        self.pg(async {
            let mut tx = self.begin_at(org.uuid()).await?;
            let former = locks::org(&mut tx, org).await?;
            // Whoever is not there any more is in no other organization either.
            sqlx::query("SELECT 1 FROM users WHERE id = $1 FOR UPDATE")
                .bind(by.uuid())
                .execute(&mut *tx)
                .await?;
            let other = is_in_other_named(&mut tx, by, &name, Some(org)).await?;
            rule(!other, Refusal::OrgNameTaken)?;
            sqlx::query("UPDATE orgs SET name = $2 WHERE id = $1")
                .bind(org.uuid())
                .bind(name.as_str())
                .execute(&mut *tx)
                .await?;
            tx.commit().await?;
            Ok(Org { name, ..former })
        })
        .await
    }

    async fn delete_org(&self, _: Stamp, org: OrgId) -> Result<()> {
        self.pg_at_leisure(async {
            let mut tx = self.begin_at(org.uuid()).await?;
            locks::org(&mut tx, org).await?;
            delete_org(&mut tx, org).await?;
            tx.commit().await
        })
        .await
    }

    async fn orgs_of(&self, user: UserId) -> Result<Vec<(Org, bool)>> {
        self.pg(async {
            let found = sqlx::query(
                "SELECT o.*, bool_or(t.is_default AND m.role = 'admin') AS is_admin
                 FROM orgs o JOIN teams t ON t.org_id = o.id JOIN members m ON m.team_id = t.id
                 WHERE m.user_id = $1 GROUP BY o.id ORDER BY o.name, o.id",
            )
            .bind(user.uuid())
            .fetch_all(&self.pool)
            .await?;
            found.iter().map(|row| Ok((rows::org(row)?, row.try_get("is_admin")?))).collect()
        })
        .await
    }

    async fn teams_of(&self, user: UserId) -> Result<Vec<(Team, Role)>> {
        self.pg(async {
            let found = sqlx::query(
                "SELECT t.*, m.role FROM teams t JOIN members m ON m.team_id = t.id
                 WHERE m.user_id = $1 ORDER BY t.name, t.id",
            )
            .bind(user.uuid())
            .fetch_all(&self.pool)
            .await?;
            found.iter().map(|row| Ok((rows::team(row)?, rows::word(row, "role")?))).collect()
        })
        .await
    }

    async fn people(&self, org: OrgId, page: Numbered) -> Result<Counted<User>> {
        self.pg(async {
            let mut tx = self.one_moment().await?;
            sqlx::query("SELECT 1 FROM orgs WHERE id = $1")
                .bind(org.uuid())
                .fetch_optional(&mut *tx)
                .await?
                .ok_or(px0_core::store::Thing::Org)?;
            let total = members::people_of(&mut tx, org).await?;
            let found = sqlx::query(
                "SELECT * FROM users WHERE id IN
                     (SELECT m.user_id FROM members m JOIN teams t ON t.id = m.team_id WHERE t.org_id = $1)
                 ORDER BY email LIMIT $2 OFFSET $3",
            )
            .bind(org.uuid())
            .bind(limit(page))
            .bind(offset(page))
            .fetch_all(&mut *tx)
            .await?;
            Ok(Counted { items: all(&found, rows::user)?, total })
        })
        .await
    }

    async fn is_person(&self, org: OrgId, user: UserId) -> Result<bool> {
        self.pg(async {
            let row = sqlx::query(
                "SELECT EXISTS (SELECT 1 FROM members m JOIN teams t ON t.id = m.team_id
                                WHERE t.org_id = $1 AND m.user_id = $2) AS is_there",
            )
            .bind(org.uuid())
            .bind(user.uuid())
            .fetch_one(&self.pool)
            .await?;
            Ok(row.try_get("is_there")?)
        })
        .await
    }

    async fn remove_person(&self, _: Stamp, org: OrgId, user: UserId) -> Result<()> {
        self.pg(self.take_person(org, user)).await
    }

    async fn create_team(&self, stamp: Stamp, team: Team, admin: Option<UserId>) -> Result<()> {
        self.pg(async {
            let mut tx = self.begin_at(team.org_id.uuid()).await?;
            locks::org(&mut tx, team.org_id).await?;
            if let Some(admin) = admin {
                locks::user(&mut tx, admin).await?;
            }
            insert_team(&mut tx, &team).await?;
            if let Some(admin) = admin {
                members::join(&mut tx, team.id, admin, Role::Admin, stamp.at).await?;
            }
            tx.commit().await
        })
        .await
    }

    async fn team(&self, team: TeamId) -> Result<Option<Team>> {
        self.pg(async {
            let query = sqlx::query("SELECT * FROM teams WHERE id = $1").bind(team.uuid());
            query.fetch_optional(&self.pool).await?.as_ref().map(rows::team).transpose()
        })
        .await
    }

    async fn teams(&self, org: OrgId) -> Result<Vec<Team>> {
        self.pg(async {
            let query = sqlx::query("SELECT * FROM teams WHERE org_id = $1 ORDER BY name");
            all(&query.bind(org.uuid()).fetch_all(&self.pool).await?, rows::team)
        })
        .await
    }

    async fn rename_team(&self, _: Stamp, team: TeamId, name: Name) -> Result<Team> {
        self.pg(async {
            let mut tx = self.begin_at(self.org_of(team).await?).await?;
            let former = locks::team(&mut tx, team).await?;
            sqlx::query("UPDATE teams SET name = $2 WHERE id = $1")
                .bind(team.uuid())
                .bind(name.as_str())
                .execute(&mut *tx)
                .await?;
            tx.commit().await?;
            Ok(Team { name, ..former })
        })
        .await
    }

    async fn delete_team(&self, _: Stamp, team: TeamId, force: bool) -> Result<()> {
        self.pg_at_leisure(async {
            let mut tx = self.begin_at(self.org_of(team).await?).await?;
            let found = locks::team(&mut tx, team).await?;
            rule(!found.is_default, Refusal::DefaultTeam)?;
            // Whoever is making a prompt in it is waited for, and then counted.
            sqlx::query("SELECT 1 FROM teams WHERE id = $1 FOR UPDATE")
                .bind(team.uuid())
                .execute(&mut *tx)
                .await?;
            let row = sqlx::query("SELECT EXISTS (SELECT 1 FROM prompts WHERE team_id = $1) AS owns")
                .bind(team.uuid())
                .fetch_one(&mut *tx)
                .await?;
            rule(force || !row.try_get::<bool, _>("owns")?, Refusal::TeamOwnsPrompts)?;
            sqlx::query(
                "DELETE FROM api_keys k WHERE NOT k.whole_org
                 AND EXISTS (SELECT 1 FROM api_key_teams s WHERE s.key_id = k.id AND s.team_id = $1)
                 AND NOT EXISTS (SELECT 1 FROM api_key_teams s WHERE s.key_id = k.id AND s.team_id <> $1)",
            )
            .bind(team.uuid())
            .execute(&mut *tx)
            .await?;
            delete::prompts_of(&mut tx, &[team.uuid()]).await?;
            sqlx::query("DELETE FROM teams WHERE id = $1").bind(team.uuid()).execute(&mut *tx).await?;
            requests::withdraw_outsiders(&mut tx, found.org_id).await?;
            tx.changed(Change::Keys(found.org_id));
            tx.changed(Change::Prompts(found.org_id));
            tx.commit().await
        })
        .await
    }

    async fn members(&self, team: TeamId, page: Numbered) -> Result<Counted<Member>> {
        self.pg(async {
            let mut tx = self.one_moment().await?;
            let row = sqlx::query(
                "SELECT (SELECT count(*) FROM members WHERE team_id = t.id) AS total FROM teams t WHERE t.id = $1",
            )
            .bind(team.uuid())
            .fetch_optional(&mut *tx)
            .await?;
            let total = rows::count(&row.ok_or(px0_core::store::Thing::Team)?, "total")?;
            let found = sqlx::query(
                "SELECT m.user_id, u.email, m.role, m.created_at FROM members m JOIN users u ON u.id = m.user_id
                 WHERE m.team_id = $1 ORDER BY u.email LIMIT $2 OFFSET $3",
            )
            .bind(team.uuid())
            .bind(limit(page))
            .bind(offset(page))
            .fetch_all(&mut *tx)
            .await?;
            Ok(Counted { items: all(&found, rows::member)?, total })
        })
        .await
    }

    async fn role(&self, team: TeamId, user: UserId) -> Result<Option<Role>> {
        self.pg(async {
            let row = sqlx::query("SELECT role FROM members WHERE team_id = $1 AND user_id = $2")
                .bind(team.uuid())
                .bind(user.uuid())
                .fetch_optional(&self.pool)
                .await?;
            row.map(|row| rows::word(&row, "role")).transpose()
        })
        .await
    }

    async fn add_member(
        &self,
        stamp: Stamp,
        team: TeamId,
        who: NewMember,
        role: Role,
    ) -> Result<()> {
        self.pg(self.put_member(stamp, team, who, role)).await
    }

    async fn remove_member(&self, _: Stamp, team: TeamId, user: UserId) -> Result<()> {
        self.pg(self.take_member(team, user)).await
    }

    async fn set_role(&self, _: Stamp, team: TeamId, user: UserId, role: Role) -> Result<()> {
        self.pg(self.put_role(team, user, role)).await
    }

    async fn create_join_request(&self, _: Stamp, request: JoinRequest) -> Result<()> {
        self.pg(self.put_request(request)).await
    }

    async fn join_request(&self, request: JoinRequestId) -> Result<Option<JoinRequest>> {
        self.pg(async {
            let query =
                sqlx::query("SELECT * FROM join_requests WHERE id = $1").bind(request.uuid());
            query.fetch_optional(&self.pool).await?.as_ref().map(rows::join_request).transpose()
        })
        .await
    }

    async fn inbox(&self, reach: &Reach) -> Result<Vec<InboxItem>> {
        self.pg(self.pending_within(reach)).await
    }

    async fn resolve_join_request(
        &self,
        stamp: Stamp,
        request: JoinRequestId,
        approve: bool,
    ) -> Result<JoinRequest> {
        self.pg(self.answer_request(stamp, request, approve)).await
    }
}

fn limit(page: Numbered) -> i64 {
    i64::try_from(page.limit).unwrap_or(i64::MAX)
}

fn offset(page: Numbered) -> i64 {
    i64::try_from((page.page - 1).saturating_mul(page.limit)).unwrap_or(i64::MAX)
}

/// Every row, as what it means.
pub(super) fn all<T>(found: &[PgRow], read: impl Fn(&PgRow) -> PgResult<T>) -> PgResult<Vec<T>> {
    found.iter().map(read).collect()
}

/// Whether somebody is in another organization of this name. They are locked, so that they do not get into one meanwhile by
/// their own doing.
async fn is_in_other_named(
    c: &mut Connection,
    user: UserId,
    name: &Name,
    except: Option<OrgId>,
) -> PgResult<bool> {
    let row = sqlx::query(
        "SELECT EXISTS (SELECT 1 FROM members m JOIN teams t ON t.id = m.team_id JOIN orgs o ON o.id = t.org_id
                        WHERE m.user_id = $1 AND o.name = $2 AND o.id IS DISTINCT FROM $3) AS is_taken",
    )
    .bind(user.uuid())
    .bind(name.as_str())
    .bind(except.map(OrgId::uuid))
    .fetch_one(c)
    .await?;
    Ok(row.try_get("is_taken")?)
}

pub(super) async fn insert_org(c: &mut Connection, org: &Org, team: &Team) -> PgResult<()> {
    insert_only_org(c, org).await?;
    insert_team(c, team).await
}

pub(super) async fn insert_only_org(c: &mut Connection, org: &Org) -> PgResult<()> {
    sqlx::query("INSERT INTO orgs (id, name, created_at) VALUES ($1, $2, $3)")
        .bind(org.id.uuid())
        .bind(org.name.as_str())
        .bind(At(org.created_at))
        .execute(c)
        .await?;
    Ok(())
}

pub(super) async fn insert_team(c: &mut Connection, team: &Team) -> PgResult<()> {
    sqlx::query(
        "INSERT INTO teams (id, org_id, name, is_default, created_at) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(team.id.uuid())
    .bind(team.org_id.uuid())
    .bind(team.name.as_str())
    .bind(team.is_default)
    .bind(At(team.created_at))
    .execute(c)
    .await?;
    Ok(())
}

/// Deletes an organization that is locked: all that belongs to it follows by its foreign keys.
pub(super) async fn delete_org(tx: &mut Write, org: OrgId) -> PgResult<()> {
    // Whoever is making a prompt in one of them is waited for.
    let teams = sqlx::query("SELECT id FROM teams WHERE org_id = $1 ORDER BY id FOR UPDATE")
        .bind(org.uuid())
        .fetch_all(&mut **tx)
        .await?;
    let teams: Result<Vec<Uuid>, _> = teams.iter().map(|row| row.try_get("id")).collect();
    delete::prompts_of(tx, &teams?).await?;
    sqlx::query("DELETE FROM orgs WHERE id = $1").bind(org.uuid()).execute(&mut **tx).await?;
    tx.changed(Change::Keys(org));
    tx.changed(Change::Prompts(org));
    tx.changed(Change::Plugins(org));
    Ok(())
}
