//! Requests to join a team.

use std::collections::BTreeSet;

use px0_core::{
    clock::Timestamp,
    ids::{JoinRequestId, OrgId, TeamId, UserId},
    store::Result,
    tenancy::{InboxItem, JoinRequest, RequestStatus, Team},
    user::Account,
};

use super::{keyspace, record, tx::Tx, view::View};

impl View<'_> {
    /// Somebody's pending request to join a team.
    pub(super) fn pending(&self, team: TeamId, user: UserId) -> Result<Option<JoinRequest>> {
        match self.value(&keyspace::pending(team, user))? {
            Some(id) => {
                let request = JoinRequestId::from_uuid(record::id(&id)?);
                self.must(&keyspace::request(request)).map(Some)
            }
            None => Ok(None),
        }
    }
}

impl Tx<'_> {
    /// Takes somebody's pending request to join a team away.
    pub(super) fn withdraw(&mut self, team: TeamId, user: UserId) -> Result<()> {
        match self.pending(team, user)? {
            Some(request) => self.remove(&request),
            None => Ok(()),
        }
    }
}

pub(super) fn withdraw_from(tx: &mut Tx<'_>, org: OrgId, user: UserId) -> Result<()> {
    for team in tx.teams_in(org)? {
        tx.withdraw(team, user)?;
    }
    Ok(())
}

/// Only who belongs to the organization may ask to join its teams.
pub(super) fn withdraw_who_left(tx: &mut Tx<'_>, org: OrgId, user: UserId) -> Result<()> {
    match tx.is_person(org, user)? {
        true => Ok(()),
        false => withdraw_from(tx, org, user),
    }
}

pub(super) fn answer(
    tx: &mut Tx<'_>,
    request: &JoinRequest,
    status: RequestStatus,
    at: Timestamp,
) -> Result<JoinRequest> {
    let answered = JoinRequest { status, updated_at: at, ..request.clone() };
    tx.replace(request, &answered)?;
    Ok(answered)
}

pub(super) fn inbox(view: &View<'_>, teams: BTreeSet<TeamId>) -> Result<Vec<InboxItem>> {
    let mut items = Vec::new();
    for team in teams {
        let team: Team = view.must(&keyspace::team(team))?;
        for pair in view.scan(&keyspace::pending_in(team.id))? {
            let request = JoinRequestId::from_uuid(record::id(&pair?.1)?);
            let request: JoinRequest = view.must(&keyspace::request(request))?;
            let account: Account = view.must(&keyspace::account(request.user_id))?;
            items.push(InboxItem { request, user_email: account.user.email, team: team.clone() });
        }
    }
    items.sort_by_key(|item| (item.request.created_at, item.request.id));
    Ok(items)
}
