//! Join requests.

use px0_core::{
    Timestamp,
    ids::{JoinRequestId, OrgId, TeamId, UserId},
    store::{Reach, Refusal, Stamp, Thing},
    tenancy::{InboxItem, JoinRequest, RequestStatus, Role},
};

use super::{Connection, PgResult, PgStore, locks, members, rows, rows::At, rule};

/// A pending request of somebody who is in the team now is approved.
pub(super) async fn approve_pending(
    c: &mut Connection,
    team: TeamId,
    user: UserId,
    at: Timestamp,
) -> PgResult<()> {
    sqlx::query(
        "UPDATE join_requests SET status = 'approved', updated_at = $3
         WHERE team_id = $1 AND user_id = $2 AND status = 'pending'",
    )
    .bind(team.uuid())
    .bind(user.uuid())
    .bind(At(at))
    .execute(c)
    .await?;
    Ok(())
}

/// Takes the pending requests of somebody away who is in the organization no more.
pub(super) async fn withdraw(c: &mut Connection, org: OrgId, user: UserId) -> PgResult<()> {
    sqlx::query(
        "DELETE FROM join_requests WHERE user_id = $2 AND status = 'pending'
         AND team_id IN (SELECT id FROM teams WHERE org_id = $1)",
    )
    .bind(org.uuid())
    .bind(user.uuid())
    .execute(c)
    .await?;
    Ok(())
}

/// Takes the pending requests of everybody away who is in no team of the organization.
pub(super) async fn withdraw_outsiders(c: &mut Connection, org: OrgId) -> PgResult<()> {
    sqlx::query(
        "DELETE FROM join_requests r USING teams t WHERE t.id = r.team_id AND t.org_id = $1 AND r.status = 'pending'
         AND NOT EXISTS (SELECT 1 FROM members m JOIN teams o ON o.id = m.team_id
                         WHERE m.user_id = r.user_id AND o.org_id = $1)",
    )
    .bind(org.uuid())
    .execute(c)
    .await?;
    Ok(())
}

impl PgStore {
    pub(super) async fn put_request(&self, request: JoinRequest) -> PgResult<()> {
        let mut tx = self.begin_at(self.org_of(request.team_id).await?).await?;
        let team = locks::team(&mut tx, request.team_id).await?;
        let seats = members::seats_in(&mut tx, team.org_id, request.user_id).await?;
        if seats.is_empty() {
            return Err(Thing::Team.into());
        }
        rule(!seats.iter().any(|seat| seat.is_in(team.id)), Refusal::AlreadyMember)?;
        insert(&mut tx, &request).await?;
        tx.commit().await
    }

    pub(super) async fn pending_within(&self, reach: &Reach) -> PgResult<Vec<InboxItem>> {
        let orgs: Vec<_> = reach.orgs.iter().map(|org| org.uuid()).collect();
        let teams: Vec<_> = reach.teams.iter().map(|team| team.uuid()).collect();
        let found = sqlx::query(
            "SELECT r.*, u.email AS user_email, t.org_id AS team_org_id, t.name AS team_name,
                    t.is_default AS team_is_default, t.created_at AS team_created_at
             FROM join_requests r
             JOIN teams t ON t.id = r.team_id JOIN users u ON u.id = r.user_id
             WHERE r.status = 'pending' AND (t.org_id = ANY($1) OR t.id = ANY($2))
             ORDER BY r.created_at, r.id",
        )
        .bind(orgs)
        .bind(teams)
        .fetch_all(&self.pool)
        .await?;
        let item = |row| {
            Ok(InboxItem {
                request: rows::join_request(row)?,
                user_email: rows::parsed(row, "user_email", px0_core::Email::parse)?,
                team: rows::joined_team(row)?,
            })
        };
        found.iter().map(item).collect()
    }

    pub(super) async fn answer_request(
        &self,
        stamp: Stamp,
        request: JoinRequestId,
        approve: bool,
    ) -> PgResult<JoinRequest> {
        let mut tx = self.begin().await?;
        let find = async |c: &mut Connection| {
            let query =
                sqlx::query("SELECT * FROM join_requests WHERE id = $1").bind(request.uuid());
            let row = query.fetch_optional(c).await?;
            rows::join_request(&row.ok_or(Thing::JoinRequest)?)
        };
        let team = find(&mut tx).await?.team_id;
        let team = locks::team(&mut tx, team).await?;
        let found = find(&mut tx).await?;
        rule(found.status == RequestStatus::Pending, Refusal::AlreadyResolved)?;
        if approve {
            let seats = members::seats_in(&mut tx, team.org_id, found.user_id).await?;
            if !seats.iter().any(|seat| seat.is_in(team.id)) {
                members::join(&mut tx, team.id, found.user_id, Role::Viewer, stamp.at).await?;
            }
        }
        let status = if approve { RequestStatus::Approved } else { RequestStatus::Rejected };
        sqlx::query("UPDATE join_requests SET status = $2, updated_at = $3 WHERE id = $1")
            .bind(request.uuid())
            .bind(status.as_str())
            .bind(At(stamp.at))
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(JoinRequest { status, updated_at: stamp.at, ..found })
    }
}

pub(super) async fn insert(c: &mut Connection, request: &JoinRequest) -> PgResult<()> {
    sqlx::query(
        "INSERT INTO join_requests (id, team_id, user_id, status, justification, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(request.id.uuid())
    .bind(request.team_id.uuid())
    .bind(request.user_id.uuid())
    .bind(request.status.as_str())
    .bind(&request.justification)
    .bind(At(request.created_at))
    .bind(At(request.updated_at))
    .execute(c)
    .await?;
    Ok(())
}
