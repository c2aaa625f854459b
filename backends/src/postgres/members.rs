//! Who is in which team, and in what role.

use px0_core::{
    Timestamp,
    ids::{OrgId, TeamId, UserId},
    store::{NewMember, Refusal, Stamp, Thing},
    tenancy::{Others, Role, Team, admin_may_leave, admin_may_step_down, role_on_joining},
};
use sqlx::Row as _;
use uuid::Uuid;

use super::{Connection, PgResult, PgStore, error::PgError, locks, requests, rows, rows::At, rule};

/// Somebody's place in a team.
pub(super) struct Seat {
    team: TeamId,
    org: OrgId,
    is_default: bool,
    role: Role,
}

impl Seat {
    /// Whether it is in this team.
    pub(super) fn is_in(&self, team: TeamId) -> bool {
        self.team == team
    }
}

/// Adds somebody; the first in a team is its admin. The organization is locked, or as new as the team.
pub(super) async fn join(
    c: &mut Connection,
    team: TeamId,
    user: UserId,
    role: Role,
    at: Timestamp,
) -> PgResult<()> {
    let row = sqlx::query("SELECT count(*) AS members FROM members WHERE team_id = $1")
        .bind(team.uuid())
        .fetch_one(&mut *c)
        .await?;
    let role = role_on_joining(role, rows::count(&row, "members")?);
    insert(c, team, user, role, at).await
}

pub(super) async fn insert(
    c: &mut Connection,
    team: TeamId,
    user: UserId,
    role: Role,
    at: Timestamp,
) -> PgResult<()> {
    sqlx::query("INSERT INTO members (team_id, user_id, role, created_at) VALUES ($1, $2, $3, $4)")
        .bind(team.uuid())
        .bind(user.uuid())
        .bind(role.as_str())
        .bind(At(at))
        .execute(c)
        .await?;
    Ok(())
}

/// How many people are in the teams of an organization.
pub(super) async fn people_of(c: &mut Connection, org: OrgId) -> PgResult<usize> {
    let row = sqlx::query(
        "SELECT count(DISTINCT m.user_id) AS people FROM members m JOIN teams t ON t.id = m.team_id WHERE t.org_id = $1",
    )
    .bind(org.uuid())
    .fetch_one(c)
    .await?;
    rows::count(&row, "people")
}

/// Somebody's places in an organization.
pub(super) async fn seats_in(c: &mut Connection, org: OrgId, user: UserId) -> PgResult<Vec<Seat>> {
    let found = sqlx::query(
        "SELECT m.team_id, t.is_default, m.role FROM members m JOIN teams t ON t.id = m.team_id
         WHERE t.org_id = $1 AND m.user_id = $2",
    )
    .bind(org.uuid())
    .bind(user.uuid())
    .fetch_all(c)
    .await?;
    let seat = |row| {
        Ok(Seat {
            team: TeamId::from_uuid(sqlx::Row::try_get(row, "team_id")?),
            org,
            is_default: sqlx::Row::try_get(row, "is_default")?,
            role: rows::word(row, "role")?,
        })
    };
    found.iter().map(seat).collect()
}

async fn seat(c: &mut Connection, team: &Team, user: UserId) -> PgResult<Seat> {
    let seats = seats_in(c, team.org_id, user).await?;
    seats.into_iter().find(|seat| seat.team == team.id).ok_or_else(|| Thing::Member.into())
}

/// Who is there besides `user`, as the rules about admins count.
async fn others(c: &mut Connection, seat: &Seat, user: UserId) -> PgResult<Others> {
    let row = sqlx::query(
        "SELECT count(DISTINCT m.user_id) FILTER (WHERE m.team_id = $1 OR $2) AS members,
                count(*) FILTER (WHERE m.team_id = $1 AND m.role = 'admin') AS admins
         FROM members m JOIN teams t ON t.id = m.team_id WHERE t.org_id = $3 AND m.user_id <> $4",
    )
    .bind(seat.team.uuid())
    .bind(seat.is_default)
    .bind(seat.org.uuid())
    .bind(user.uuid())
    .fetch_one(c)
    .await?;
    Ok(Others { members: rows::count(&row, "members")?, admins: rows::count(&row, "admins")? })
}

/// Whether somebody can be taken out of a team.
pub(super) async fn may_leave(c: &mut Connection, seat: &Seat, user: UserId) -> PgResult<()> {
    let may =
        seat.role != Role::Admin || admin_may_leave(seat.is_default, others(c, seat, user).await?);
    rule(may, Refusal::LastAdmin)
}

impl PgStore {
    pub(super) async fn put_member(
        &self,
        stamp: Stamp,
        team: TeamId,
        who: NewMember,
        role: Role,
    ) -> PgResult<()> {
        let mut tx = self.begin_at(self.org_of(team).await?).await?;
        let team = locks::team(&mut tx, team).await?;
        let found = match who {
            NewMember::Id(user) => {
                let query = sqlx::query("SELECT id FROM users WHERE id = $1").bind(user.uuid());
                query.fetch_optional(&mut *tx).await?
            }
            NewMember::Email(email) => {
                sqlx::query(
                    "SELECT u.id FROM users u WHERE u.email = $1 AND EXISTS (
                         SELECT 1 FROM members m JOIN teams t ON t.id = m.team_id
                         WHERE m.user_id = u.id AND t.org_id = $2)",
                )
                .bind(email.as_str())
                .bind(team.org_id.uuid())
                .fetch_optional(&mut *tx)
                .await?
            }
        };
        let user: Uuid = found.ok_or(Thing::UserToAdd)?.try_get("id")?;
        let user = UserId::from_uuid(user);
        // Somebody who deletes their account between these two is nobody to add.
        join(&mut tx, team.id, user, role, stamp.at).await.map_err(|error| match error {
            PgError(px0_core::store::StoreError::Missing(Thing::User)) => Thing::UserToAdd.into(),
            other => other,
        })?;
        requests::approve_pending(&mut tx, team.id, user, stamp.at).await?;
        tx.commit().await
    }

    pub(super) async fn take_member(&self, team: TeamId, user: UserId) -> PgResult<()> {
        let mut tx = self.begin_at(self.org_of(team).await?).await?;
        let team = locks::team(&mut tx, team).await?;
        let seat = seat(&mut tx, &team, user).await?;
        may_leave(&mut tx, &seat, user).await?;
        sqlx::query("DELETE FROM members WHERE team_id = $1 AND user_id = $2")
            .bind(team.id.uuid())
            .bind(user.uuid())
            .execute(&mut *tx)
            .await?;
        if seats_in(&mut tx, team.org_id, user).await?.is_empty() {
            requests::withdraw(&mut tx, team.org_id, user).await?;
        }
        tx.commit().await
    }

    pub(super) async fn take_person(&self, org: OrgId, user: UserId) -> PgResult<()> {
        let mut tx = self.begin_at(org.uuid()).await?;
        locks::org(&mut tx, org).await?;
        let seats = seats_in(&mut tx, org, user).await?;
        if seats.is_empty() {
            return Err(Thing::Member.into());
        }
        for seat in &seats {
            may_leave(&mut tx, seat, user).await?;
        }
        sqlx::query(
            "DELETE FROM members WHERE user_id = $2 AND team_id IN (SELECT id FROM teams WHERE org_id = $1)",
        )
        .bind(org.uuid())
        .bind(user.uuid())
        .execute(&mut *tx)
        .await?;
        requests::withdraw(&mut tx, org, user).await?;
        tx.commit().await
    }

    pub(super) async fn put_role(&self, team: TeamId, user: UserId, role: Role) -> PgResult<()> {
        let mut tx = self.begin_at(self.org_of(team).await?).await?;
        let team = locks::team(&mut tx, team).await?;
        let seat = seat(&mut tx, &team, user).await?;
        let steps_down = seat.role == Role::Admin && role != Role::Admin;
        if steps_down {
            rule(admin_may_step_down(others(&mut tx, &seat, user).await?), Refusal::LastAdmin)?;
        }
        sqlx::query("UPDATE members SET role = $3 WHERE team_id = $1 AND user_id = $2")
            .bind(team.id.uuid())
            .bind(user.uuid())
            .bind(role.as_str())
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    }
}
