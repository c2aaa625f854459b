//! What goes with something goes whole, in one step, and takes nothing else along.

use px0_core::{
    prompt::PromptRef,
    secret::TokenHash,
    store::{Refusal, Thing},
    tag::Selector,
    tenancy::{JoinRequest, Role, Team},
    user::User,
    version::Version,
};

use crate::{
    portrait::everywhere,
    world::{ALL_NUMBERED, Home, Law, World, address, all, laws, orgs, tag},
};

pub(crate) const LAWS: &[Law] = laws![
    an_organization_takes_all_it_has_with_it,
    an_organization_leaves_its_users_and_other_organizations,
    an_organization_goes_though_its_prompts_are_archived_or_live,
    a_team_takes_its_memberships_and_requests_with_it,
    a_forced_team_takes_its_prompts_with_it,
    a_user_takes_sessions_addresses_codes_requests_and_memberships_with_them,
    a_users_address_is_free_again,
    a_user_takes_organizations_where_they_are_alone_with_them,
    a_user_leaves_organizations_where_others_are,
    a_user_who_is_the_last_admin_of_others_stays,
    a_user_who_stays_keeps_also_what_they_have_alone,
    a_user_who_is_alone_in_a_team_goes,
    a_user_goes_once,
];

/// An organization with one of everything.
struct Full {
    home: Home,
    red: Team,
    bob: User,
    request: JoinRequest,
    keys: [px0_core::key::ApiKey; 2],
    version: Version,
    payload: px0_core::prompt::Payload,
}

async fn full(w: &World, name: &str) -> Full {
    let home = w.home(name).await;
    let red = w.team_in(&home, "red").await;
    let bob = w.editor(&home.team, &format!("bob-of-{name}")).await;
    let prompt = w.prompt(&red, "greeting").await;
    let version = w.tag(&w.live(&prompt).await, "prod").await;
    w.draft(&prompt, "next").await;
    w.prompt(&home.team, "greeting").await;
    Full {
        request: w.ask(&red, &bob).await,
        keys: [w.key_for(&home, &[]).await, w.key_for(&home, &[&red]).await],
        payload: w.sample(&prompt, "{}").await,
        home,
        red,
        bob,
        version,
    }
}

impl Full {
    /// Holds that nothing of what the team `red` had can be reached in any way.
    async fn red_is_gone(&self, w: &World) {
        let prompt = self.version.prompt_id;
        assert_eq!(w.team(self.red.id).await.unwrap(), None);
        assert_eq!(w.role(self.red.id, self.home.admin.id).await.unwrap(), None);
        assert_eq!(w.join_request(self.request.id).await.unwrap(), None);
        assert_eq!(w.inbox(&everywhere(&w.seen())).await.unwrap(), []);
        assert_eq!(w.key(self.keys[1].id).await.unwrap(), None);
        assert_eq!(w.key_by_hash(&self.keys[1].hash).await.unwrap(), None);

        assert_eq!(w.prompt_by_id(prompt).await, None);
        for selector in
            [Selector::Live, Selector::Latest, Selector::Number(1), Selector::Tag(tag("prod"))]
        {
            assert_eq!(w.version(prompt, &selector).await.unwrap(), None, "{selector:?}");
        }
        assert_eq!(w.payload(prompt, self.payload.id).await.unwrap(), None);
        let by_slug = PromptRef::Slug(crate::world::slug("greeting"));
        let reach = crate::world::teams(&[&self.red]);
        assert_eq!(w.find_prompts(&reach, &by_slug).await.unwrap(), []);
        w.refuses(Thing::Prompt, w.versions(prompt, &Default::default(), all())).await;
        w.refuses(Thing::Prompt, w.tags(prompt)).await;
        w.refuses(Thing::Version, w.set_tag(w.stamp(), self.version.id, tag("new"))).await;
        let payload = w.delete_payload(w.stamp(), prompt, self.payload.id);
        w.refuses(Thing::Prompt, payload).await;
        w.refuses(Thing::Team, w.members(self.red.id, ALL_NUMBERED)).await;
    }
}

async fn an_organization_takes_all_it_has_with_it(w: World) {
    let acme = full(&w, "acme").await;
    w.delete_org(w.stamp(), acme.home.org.id).await.unwrap();
    acme.red_is_gone(&w).await;
    assert_eq!(w.org(acme.home.org.id).await.unwrap(), None);
    assert_eq!(w.team(acme.home.team.id).await.unwrap(), None);
    assert_eq!(w.key(acme.keys[0].id).await.unwrap(), None);
    assert_eq!(w.key_by_hash(&acme.keys[0].hash).await.unwrap(), None);
    w.refuses(Thing::Org, w.people(acme.home.org.id, ALL_NUMBERED)).await;
    w.refuses(Thing::Org, w.delete_org(w.stamp(), acme.home.org.id)).await;
}

async fn an_organization_leaves_its_users_and_other_organizations(w: World) {
    let (acme, other) = (full(&w, "acme").await, full(&w, "other").await);
    let session = w.login(&acme.bob).await;
    let keys = w.keys(other.home.org.id, &px0_core::store::KeyFilter::All, all()).await;
    let prompt = w.prompt_by_id(other.version.prompt_id).await;
    let inbox = w.inbox(&orgs(&[&other.home.org])).await.unwrap();

    w.delete_org(w.stamp(), acme.home.org.id).await.unwrap();

    for user in [&acme.home.admin, &acme.bob] {
        assert_eq!(w.account(user.id).await.unwrap().unwrap().user, *user);
        assert_eq!(w.orgs_of(user.id).await.unwrap(), []);
    }
    let (_, memberships) = w.session(&session.hash, w.now()).await.unwrap().unwrap();
    assert_eq!(memberships, []);
    let still = w.keys(other.home.org.id, &px0_core::store::KeyFilter::All, all()).await;
    assert_eq!((still, w.prompt_by_id(other.version.prompt_id).await), (keys, prompt));
    assert_eq!(w.reread(&other.version).await, other.version);
    assert_eq!(w.inbox(&everywhere(&w.seen())).await.unwrap(), inbox);
    assert_eq!(w.is_person(other.home.org.id, other.bob.id).await, Ok(true));
}

async fn an_organization_goes_though_its_prompts_are_archived_or_live(w: World) {
    let home = w.home("acme").await;
    let prompt = w.prompt(&home.team, "greeting").await;
    let live = w.live(&prompt).await;
    w.archive(&prompt).await;
    w.delete_org(w.stamp(), home.org.id).await.unwrap();
    assert_eq!(w.prompt_by_id(prompt.id).await, None);
    assert_eq!(w.version(prompt.id, &Selector::Number(live.number)).await.unwrap(), None);
}

async fn a_team_takes_its_memberships_and_requests_with_it(w: World) {
    let home = w.home("acme").await;
    let (red, blue) = (w.team_in(&home, "red").await, w.team_in(&home, "blue").await);
    let (bob, eve) = (w.editor(&red, "bob").await, w.editor(&home.team, "eve").await);
    let (gone, stays) = (w.ask(&red, &eve).await, w.ask(&blue, &eve).await);
    w.delete_team(w.stamp(), red.id, false).await.unwrap();
    assert_eq!(w.teams_of(bob.id).await.unwrap(), []);
    assert_eq!(w.join_request(gone.id).await.unwrap(), None);
    assert_eq!(w.join_request(stays.id).await.unwrap(), Some(stays));
    w.refuses(Thing::Team, w.delete_team(w.stamp(), red.id, true)).await;
}

async fn a_forced_team_takes_its_prompts_with_it(w: World) {
    let (acme, other) = (full(&w, "acme").await, w.home("other").await);
    let kept = w.live(&w.prompt(&other.team, "greeting").await).await;
    w.delete_team(w.stamp(), acme.red.id, true).await.unwrap();
    acme.red_is_gone(&w).await;
    assert_eq!(w.teams(acme.home.org.id).await.unwrap(), std::slice::from_ref(&acme.home.team));
    assert_eq!(w.reread(&kept).await, kept);
    let prompts = w.prompts(acme.home.team.id, &Default::default(), all()).await.unwrap().items;
    assert_eq!(prompts.len(), 1, "the prompts of another team stay");
}

async fn a_user_takes_sessions_addresses_codes_requests_and_memberships_with_them(w: World) {
    let home = w.home("acme").await;
    let red = w.team_in(&home, "red").await;
    let bob = w.editor(&home.team, "bob").await;
    let (session, request, reset) = (w.login(&bob).await, w.ask(&red, &bob).await, w.code("reset"));
    w.mail_verification(bob.id, w.code("right")).await;
    w.mail_reset(bob.id, reset.clone()).await;

    w.delete_account(w.stamp(), bob.id).await.unwrap();

    assert_eq!(w.account(bob.id).await.unwrap(), None);
    assert_eq!(w.account_by_email(&bob.email).await.unwrap(), None);
    assert_eq!(w.session(&session.hash, w.now()).await.unwrap(), None);
    assert_eq!(w.last_login(bob.id, &address("home")).await.unwrap(), None);
    assert_eq!(w.join_request(request.id).await.unwrap(), None);
    assert_eq!(w.inbox(&orgs(&[&home.org])).await.unwrap(), []);
    assert_eq!(w.role(home.team.id, bob.id).await.unwrap(), None);
    assert_eq!(w.people(home.org.id, ALL_NUMBERED).await.unwrap().total, 1);
    let attempt = w.reset_password(w.stamp(), &reset.hash, "new".into());
    w.refuses(Refusal::WrongResetCode, attempt).await;

    // Somebody else with that address owes nothing to them.
    w.editor(&home.team, "bob").await;
    let (old, from) = (TokenHash::of("right"), address("home"));
    let tried = w.verify_email(w.stamp(), &bob.email, &old, &from);
    w.refuses(Refusal::WrongCode, tried).await;
}

async fn a_users_address_is_free_again(w: World) {
    let home = w.home("acme").await;
    w.delete_account(w.stamp(), home.admin.id).await.unwrap();
    w.home("acme").await;
}

async fn a_user_takes_organizations_where_they_are_alone_with_them(w: World) {
    let acme = full(&w, "acme").await;
    w.remove_person(w.stamp(), acme.home.org.id, acme.bob.id).await.unwrap();
    w.delete_account(w.stamp(), acme.home.admin.id).await.unwrap();
    acme.red_is_gone(&w).await;
    assert_eq!(w.org(acme.home.org.id).await.unwrap(), None);
    assert!(w.account(acme.bob.id).await.unwrap().is_some());
}

async fn a_user_leaves_organizations_where_others_are(w: World) {
    let acme = full(&w, "acme").await;
    w.delete_account(w.stamp(), acme.bob.id).await.unwrap();
    assert_eq!(w.org(acme.home.org.id).await.unwrap().as_ref(), Some(&acme.home.org));
    assert_eq!(w.reread(&acme.version).await, acme.version);
}

async fn a_user_who_is_the_last_admin_of_others_stays(w: World) {
    let home = w.home("acme").await;
    let red = w.empty_team(&home, "red").await;
    let bob = w.user(&red, "bob", Role::Admin).await;
    let eve = w.user(&red, "eve", Role::Viewer).await;
    // Of a Default Team alone in it, but not alone in the organization; of a team with a member.
    for user in [&home.admin, &bob] {
        w.refuses(Refusal::LastAdmin, w.delete_account(w.stamp(), user.id)).await;
    }
    w.set_role(w.stamp(), red.id, eve.id, Role::Admin).await.unwrap();
    w.delete_account(w.stamp(), bob.id).await.unwrap();
}

async fn a_user_who_stays_keeps_also_what_they_have_alone(w: World) {
    let ann = w.home("alone").await.admin;
    // One organization of theirs before the one that holds them back, in any order of ids, and one after.
    let mut others = Vec::new();
    for called in ["shared", "alone too"] {
        let org = w.new_org(called);
        let team = w.new_default_team(&org);
        w.create_org(w.stamp(), org, team.clone(), ann.id).await.unwrap();
        others.push(team);
    }
    w.editor(&others[0], "bob").await;
    w.login(&ann).await;
    w.refuses(Refusal::LastAdmin, w.delete_account(w.stamp(), ann.id)).await;
}

async fn a_user_who_is_alone_in_a_team_goes(w: World) {
    let home = w.home("acme").await;
    let red = w.empty_team(&home, "red").await;
    let bob = w.user(&red, "bob", Role::Admin).await;
    let prompt = w.prompt(&red, "greeting").await;
    w.delete_account(w.stamp(), bob.id).await.unwrap();
    assert_eq!(w.roles_in(&red).await, []);
    assert!(w.prompt_by_id(prompt.id).await.is_some(), "the team stays, with what it owns");
}

async fn a_user_goes_once(w: World) {
    let home = w.home("acme").await;
    let bob = w.editor(&home.team, "bob").await;
    w.delete_account(w.stamp(), bob.id).await.unwrap();
    w.refuses(Thing::User, w.delete_account(w.stamp(), bob.id)).await;
    let session = w.new_session(&bob, 60);
    w.refuses(Thing::User, w.open_session(session, address("home"))).await;
}
