//! Many at once: two steps at the same time give the result of one after the other.
//!
//! The tasks run on several threads and start together. What is held is what must come out of any order.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use px0_core::{
    mailed::MailedCodes,
    prompt::{PromptFilter, PromptStatus},
    secret::TokenHash,
    store::{NewMember, Refusal, StoreError, Thing},
    tenancy::{RequestStatus, Role},
    user::KnownAddress,
    version::VersionFilter,
};

use crate::prompts::renamed;
use crate::race::{race, winners};
use crate::world::{Law, World, address, all, body, email, laws};

/// Enough for 20 times 32 writes on a busy machine, and less than a second for each time.
const AT_ONCE: Duration = Duration::from_secs(15);

pub(crate) const LAWS: &[Law] = laws![
    sixty_four_new_versions_are_numbered_without_a_gap,
    deleting_drafts_meanwhile_gives_no_number_twice,
    of_many_admins_who_step_down_at_once_one_stays,
    of_many_admins_who_leave_in_every_way_at_once_one_stays,
    of_a_hundred_guesses_at_once_at_most_five_are_evaluated,
    each_of_some_wrong_guesses_at_once_takes_one_try,
    of_many_right_codes_at_once_one_is_used,
    of_many_resets_at_once_one_is_used,
    of_many_codes_that_are_mailed_at_once_so_many_are_kept,
    of_many_logins_from_many_addresses_so_many_are_known,
    of_many_registrations_of_one_address_one_wins,
    of_many_accounts_that_change_to_one_address_one_wins,
    of_many_organizations_and_teams_of_one_name_one_is_made,
    of_many_prompts_of_one_slug_one_is_made,
    of_many_moves_onto_one_slug_one_is_made,
    renames_that_cross_are_refused_at_once,
    moves_that_cross_are_refused_at_once,
    of_many_requests_one_is_pending,
    a_request_is_answered_once_by_many,
    of_many_who_add_one_member_one_does,
    the_first_of_many_who_join_an_empty_team_is_its_one_admin,
    a_team_is_not_deleted_under_a_prompt_that_is_being_made,
    nothing_is_written_into_an_organization_that_is_being_deleted,
    nothing_is_written_into_a_prompt_that_is_being_archived,
    the_last_use_of_a_key_is_the_latest_of_many,
    one_code_key_is_kept_for_many_callers,
];

async fn sixty_four_new_versions_are_numbered_without_a_gap(w: World) {
    let home = w.home("acme").await;
    let prompt = w.prompt(&home.team, "greeting").await;
    let numbers = race(64, |at| {
        let (w, prompt) = (w.clone(), prompt.clone());
        async move { w.draft(&prompt, &format!("{at}")).await.number }
    });
    let numbers = BTreeSet::from_iter(numbers.await);
    assert_eq!(numbers, (1..=64).collect());
    let listed = w.versions(prompt.id, &VersionFilter::default(), all()).await.unwrap().items;
    let templates: BTreeSet<_> = listed.iter().map(|v| v.body.template.to_string()).collect();
    assert_eq!((listed.len(), templates.len()), (64, 64));
}

async fn deleting_drafts_meanwhile_gives_no_number_twice(w: World) {
    let home = w.home("acme").await;
    let prompt = w.prompt(&home.team, "greeting").await;
    let numbers = race(32, |_| {
        let (w, prompt) = (w.clone(), prompt.clone());
        async move {
            let mut numbers = Vec::new();
            for _ in 0..4 {
                let draft = w.draft(&prompt, "Hello").await;
                w.delete_version(w.stamp(), draft.id).await.unwrap();
                numbers.push(draft.number);
            }
            numbers
        }
    });
    let numbers: BTreeSet<_> = numbers.await.into_iter().flatten().collect();
    assert_eq!(numbers, (1..=128).collect());
    assert_eq!(w.draft(&prompt, "Hello").await.number, 129);
}

async fn of_many_admins_who_step_down_at_once_one_stays(w: World) {
    let home = w.home("acme").await;
    let red = w.empty_team(&home, "red").await;
    for team in [&home.team, &red] {
        let mut admins = Vec::new();
        for number in 0..16 {
            let name = format!("admin-{number}-of-{}", team.id);
            admins.push(w.user(team, &name, Role::Admin).await);
        }
        if team.is_default {
            admins.push(home.admin.clone());
        }
        let answers = race(admins.len(), |at| {
            let (w, team, admin) = (w.clone(), team.id, admins[at].id);
            async move { w.set_role(w.stamp(), team, admin, Role::Viewer).await }
        });
        let stepped_down = winners(answers.await, Refusal::LastAdmin);
        assert_eq!(stepped_down, admins.len() - 1);
        let mut roles = w.roles_in(team).await;
        roles.retain(|(_, role)| *role == Role::Admin);
        assert_eq!(roles.len(), 1);
    }
}

async fn of_many_admins_who_leave_in_every_way_at_once_one_stays(w: World) {
    for round in 0..8 {
        let home = w.home(&format!("acme-{round}")).await;
        let mut admins = vec![home.admin.clone()];
        for number in 1..16 {
            let name = format!("admin-{number}-of-{round}");
            admins.push(w.user(&home.team, &name, Role::Admin).await);
        }
        // Somebody who is left behind; else the last one could take the organization along.
        w.user(&home.team, &format!("viewer-of-{round}"), Role::Viewer).await;
        let answers = race(admins.len(), |at| {
            let (w, home, admin) = (w.clone(), home.clone(), admins[at].id);
            async move {
                match at % 4 {
                    0 => w.set_role(w.stamp(), home.team.id, admin, Role::Editor).await,
                    1 => w.remove_member(w.stamp(), home.team.id, admin).await,
                    2 => w.remove_person(w.stamp(), home.org.id, admin).await,
                    _ => w.delete_account(w.stamp(), admin).await,
                }
            }
        });
        assert_eq!(winners(answers.await, Refusal::LastAdmin), admins.len() - 1);
        let mut roles = w.roles_in(&home.team).await;
        roles.retain(|(_, role)| *role == Role::Admin);
        assert_eq!(roles.len(), 1, "{roles:?}");
    }
}

async fn of_a_hundred_guesses_at_once_at_most_five_are_evaluated(w: World) {
    const ROUNDS: usize = 20;
    let home = w.home("acme").await;
    let mut hits = 0;
    for round in 0..ROUNDS {
        let ann = w.editor(&home.team, &format!("ann-{round}")).await;
        w.mail_verification(ann.id, w.code("right")).await;
        // One of the hundred is right, another one in each round.
        let answers = race(100, |at| {
            let (w, email) = (w.clone(), ann.email.clone());
            let right = at == round * 100 / ROUNDS + 4;
            let guess = if right { "right".to_owned() } else { format!("guess {at}") };
            async move {
                w.verify_email(w.stamp(), &email, &TokenHash::of(&guess), &address("home")).await
            }
        });
        let hit = winners(answers.await, Refusal::WrongCode);
        assert!(hit <= 1);
        hits += hit;
        if hit == 0 {
            let right = TokenHash::of("right");
            let late = w.verify_email(w.stamp(), &ann.email, &right, &address("home")).await;
            assert_eq!(late, Err(Refusal::WrongCode.into()), "the code is void");
        }
    }
    // Were all evaluated, every round would be a hit; of five in a hundred, one in twenty.
    assert!(hits <= ROUNDS / 2, "{hits} of {ROUNDS} codes were guessed");
}

async fn each_of_some_wrong_guesses_at_once_takes_one_try(w: World) {
    let home = w.home("acme").await;
    let right = TokenHash::of("right");
    for round in 0..24 {
        let ann = w.editor(&home.team, &format!("ann-{round}")).await;
        // Four leave the last try, five leave none.
        let guesses = 4 + round % 2;
        w.mail_verification(ann.id, w.code("right")).await;
        let answers = race(guesses, |at| {
            let (w, email) = (w.clone(), ann.email.clone());
            let wrong = TokenHash::of(&format!("guess {at}"));
            async move { w.verify_email(w.stamp(), &email, &wrong, &address("home")).await }
        });
        assert_eq!(winners(answers.await, Refusal::WrongCode), 0);
        let last = w.verify_email(w.stamp(), &ann.email, &right, &address("home")).await;
        assert_eq!(last.is_ok(), guesses == 4, "after {guesses} wrong guesses");
    }
}

async fn of_many_right_codes_at_once_one_is_used(w: World) {
    let ann = w.home("acme").await.admin;
    let code = w.code("right");
    w.mail_verification(ann.id, code.clone()).await;
    let answers = race(32, |_| {
        let (w, email, hash) = (w.clone(), ann.email.clone(), code.hash);
        async move { w.verify_email(w.stamp(), &email, &hash, &address("home")).await }
    });
    assert_eq!(winners(answers.await, Refusal::WrongCode), 1);
}

async fn of_many_resets_at_once_one_is_used(w: World) {
    let ann = w.home("acme").await.admin;
    let code = w.code("reset");
    w.mail_reset(ann.id, code.clone()).await;
    let answers = race(32, |at| {
        let (w, hash) = (w.clone(), code.hash);
        async move { w.reset_password(w.stamp(), &hash, format!("password {at}")).await }
    });
    assert_eq!(winners(answers.await, Refusal::WrongResetCode), 1);
}

async fn of_many_codes_that_are_mailed_at_once_so_many_are_kept(w: World) {
    let ann = w.home("acme").await.admin;
    let answers = race(32, |at| {
        let (w, ann) = (w.clone(), ann.id);
        async move {
            let code = w.code(&format!("code {at}"));
            let verification = w.put_verification(w.now(), ann, code.clone()).await.unwrap();
            (verification, w.put_reset(w.now(), ann, code).await.unwrap())
        }
    })
    .await;
    let verifications = answers.iter().filter(|(kept, _)| *kept).count();
    let resets = answers.iter().filter(|(_, kept)| *kept).count();
    assert_eq!((verifications, resets), (MailedCodes::MOST, MailedCodes::MOST));
}

async fn of_many_logins_from_many_addresses_so_many_are_known(w: World) {
    let ann = w.home("acme").await.admin;
    race(64, |at| {
        let (w, ann) = (w.clone(), ann.clone());
        async move { w.login_from(&ann, address(&(at % 32).to_string())).await }
    })
    .await;
    let mut known = 0;
    for at in 0..32 {
        let last = w.last_login(ann.id, &address(&at.to_string())).await.unwrap();
        known += usize::from(last.is_some());
    }
    assert_eq!(known, KnownAddress::MOST);
}

async fn of_many_registrations_of_one_address_one_wins(w: World) {
    let home = w.home("acme").await;
    for round in 0..12 {
        let local = format!("bob-{round}");
        // By themselves, by an admin, and both ways.
        let by_themselves = move |at: usize| [true, false, at.is_multiple_of(2)][round % 3];
        let answers = race(16, |at| {
            let (w, team, local) = (w.clone(), home.team.id, local.clone());
            async move {
                if by_themselves(at) {
                    let its = w.founding(&local, &format!("org {at}"));
                    let org = its.org.id;
                    let made = w.found_account(w.stamp(), its.account, its.org, its.team).await;
                    assert_eq!(w.org(org).await.unwrap().is_some(), made.is_ok());
                    made
                } else {
                    w.add_account(w.stamp(), w.new_account(&local), team, Role::Editor).await
                }
            }
        });
        assert_eq!(winners(answers.await, Refusal::EmailTaken), 1);
    }
}

async fn of_many_accounts_that_change_to_one_address_one_wins(w: World) {
    let home = w.home("acme").await;
    let mut users = Vec::new();
    for number in 0..16 {
        users.push(w.editor(&home.team, &format!("user-{number}")).await);
    }
    let answers = race(users.len(), |at| {
        let (w, user) = (w.clone(), users[at].id);
        async move { w.change_email(w.stamp(), user, email("wanted"), true).await }
    });
    assert_eq!(winners(answers.await, Refusal::EmailTaken), 1);
}

async fn of_many_organizations_and_teams_of_one_name_one_is_made(w: World) {
    let home = w.home("acme").await;
    let answers = race(16, |_| {
        let (w, founder) = (w.clone(), home.admin.id);
        async move {
            let org = w.new_org("wanted");
            let team = w.new_default_team(&org);
            w.create_org(w.stamp(), org, team, founder).await
        }
    });
    assert_eq!(winners(answers.await, Refusal::OrgNameTaken), 1);
    let answers = race(16, |_| {
        let (w, home) = (w.clone(), home.clone());
        async move {
            let team = w.new_team(&home.org, "wanted");
            w.create_team(w.stamp(), team, Some(home.admin.id)).await
        }
    });
    assert_eq!(winners(answers.await, Refusal::TeamNameTaken), 1);
}

async fn of_many_prompts_of_one_slug_one_is_made(w: World) {
    let home = w.home("acme").await;
    let answers = race(32, |_| {
        let (w, team) = (w.clone(), home.team.clone());
        async move { w.create_prompt(w.stamp(), w.new_prompt(&team, "wanted")).await }
    });
    assert_eq!(winners(answers.await, Refusal::PromptTaken), 1);
}

async fn of_many_moves_onto_one_slug_one_is_made(w: World) {
    let home = w.home("acme").await;
    let mut prompts = Vec::new();
    for number in 0..16 {
        let team = w.empty_team(&home, &format!("team {number}")).await;
        prompts.push(w.prompt(&team, "wanted").await);
    }
    let answers = race(prompts.len(), |at| {
        let (w, prompt, team) = (w.clone(), prompts[at].id, home.team.id);
        async move { w.move_prompt(w.stamp(), prompt, team).await }
    });
    assert_eq!(winners(answers.await, Refusal::PromptTaken), 1);
    let there = w.prompts(home.team.id, &PromptFilter::default(), all()).await.unwrap();
    assert_eq!(there.items.len(), 1);
}

/// Each wants the name of the other. Nobody waits in a circle: a database that has to end that takes a second for each.
async fn renames_that_cross_are_refused_at_once(w: World) {
    let home = w.home("acme").await;
    let (x, y) = (w.prompt(&home.team, "x").await.id, w.prompt(&home.team, "y").await.id);
    let begun = Instant::now();
    for _ in 0..20 {
        let answers = race(32, |at| {
            let (w, (prompt, to)) = (w.clone(), if at % 2 == 0 { (x, "y") } else { (y, "x") });
            async move { w.update_prompt(w.stamp(), prompt, renamed(to)).await.map(drop) }
        });
        assert_eq!(winners(answers.await, Refusal::PromptTaken), 0);
    }
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
}

async fn moves_that_cross_are_refused_at_once(w: World) {
    let home = w.home("acme").await;
    let teams = [home.team.clone(), w.empty_team(&home, "other").await];
    let prompts = [w.prompt(&teams[0], "same").await.id, w.prompt(&teams[1], "same").await.id];
    let begun = Instant::now();
    for _ in 0..20 {
        let answers = race(32, |at| {
            let (w, prompt, to) = (w.clone(), prompts[at % 2], teams[1 - at % 2].id);
            async move { w.move_prompt(w.stamp(), prompt, to).await.map(drop) }
        });
        assert_eq!(winners(answers.await, Refusal::PromptTaken), 0);
    }
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
}

async fn of_many_requests_one_is_pending(w: World) {
    let home = w.home("acme").await;
    let red = w.team_in(&home, "red").await;
    let bob = w.editor(&home.team, "bob").await;
    let answers = race(32, |_| {
        let (w, request) = (w.clone(), w.new_request(&red, &bob));
        async move { w.create_join_request(w.stamp(), request).await }
    });
    assert_eq!(winners(answers.await, Refusal::RequestPending), 1);
    assert_eq!(w.inbox(&crate::world::teams(&[&red])).await.unwrap().len(), 1);
}

async fn a_request_is_answered_once_by_many(w: World) {
    let home = w.home("acme").await;
    let red = w.team_in(&home, "red").await;
    for round in 0..8 {
        let bob = w.editor(&home.team, &format!("bob-{round}")).await;
        let request = w.ask(&red, &bob).await;
        let answers = race(16, |at| {
            let (w, request) = (w.clone(), request.id);
            async move { w.resolve_join_request(w.stamp(), request, at % 2 == 0).await }
        });
        assert_eq!(winners(answers.await, Refusal::AlreadyResolved), 1);
        let answered = w.join_request(request.id).await.unwrap().unwrap();
        let is_in = w.role(red.id, bob.id).await.unwrap().is_some();
        assert_eq!(is_in, answered.status == RequestStatus::Approved);
    }
}

async fn of_many_who_add_one_member_one_does(w: World) {
    let home = w.home("acme").await;
    let red = w.team_in(&home, "red").await;
    let bob = w.editor(&home.team, "bob").await;
    let answers = race(32, |at| {
        let (w, red, who) = (w.clone(), red.id, NewMember::Id(bob.id));
        let role = Role::ALL[at % 3];
        async move { w.add_member(w.stamp(), red, who, role).await }
    });
    assert_eq!(winners(answers.await, Refusal::MemberExists), 1);
}

async fn the_first_of_many_who_join_an_empty_team_is_its_one_admin(w: World) {
    let home = w.home("acme").await;
    let red = w.empty_team(&home, "red").await;
    let mut users = Vec::new();
    for number in 0..16 {
        users.push(w.editor(&home.team, &format!("user-{number}")).await);
    }
    race(users.len(), |at| {
        let (w, red, user) = (w.clone(), red.clone(), users[at].clone());
        async move { w.join(&red, &user, Role::Viewer).await }
    })
    .await;
    let roles = w.roles_in(&red).await;
    let admins = roles.iter().filter(|(_, role)| *role == Role::Admin).count();
    assert_eq!((roles.len(), admins), (16, 1));
}

async fn a_team_is_not_deleted_under_a_prompt_that_is_being_made(w: World) {
    let home = w.home("acme").await;
    for round in 0..16 {
        let red = w.empty_team(&home, &format!("team {round}")).await;
        let answers = race(2, |at| {
            let (w, red) = (w.clone(), red.clone());
            async move {
                if at == 0 {
                    w.delete_team(w.stamp(), red.id, false).await
                } else {
                    w.create_prompt(w.stamp(), w.new_prompt(&red, "greeting")).await
                }
            }
        });
        let any = PromptFilter::default();
        let prompts = w.prompts(red.id, &any, all());
        match &answers.await[..] {
            [Ok(()), made] => assert_eq!(*made, Err(Thing::Team.into())),
            [deleted, Ok(())] => {
                assert_eq!(*deleted, Err(Refusal::TeamOwnsPrompts.into()));
                assert_eq!(prompts.await.unwrap().items.len(), 1);
            }
            other => panic!("{other:?}"),
        }
    }
}

async fn nothing_is_written_into_an_organization_that_is_being_deleted(w: World) {
    for round in 0..4 {
        let home = w.home(&format!("acme-{round}")).await;
        let red = w.team_in(&home, "red").await;
        let bob = w.editor(&home.team, &format!("bob-{round}")).await;
        let prompt = w.prompt(&red, "greeting").await;
        race(33, |at| {
            let (w, home, red) = (w.clone(), home.clone(), red.clone());
            let (bob, prompt) = (bob.clone(), prompt.clone());
            let called = format!("new {at}");
            async move {
                let answer = match at {
                    16 => return w.delete_org(w.stamp(), home.org.id).await.unwrap(),
                    _ if at % 8 == 0 => {
                        let team = w.new_team(&home.org, &called);
                        w.create_team(w.stamp(), team, Some(bob.id)).await
                    }
                    _ if at % 8 == 1 => {
                        let prompt = w.new_prompt(&red, &called);
                        w.create_prompt(w.stamp(), prompt).await
                    }
                    _ if at % 8 == 2 => {
                        let id = w.new_version_id();
                        let made = w.create_version(w.stamp(), prompt.id, id, body("Hello"));
                        made.await.map(drop)
                    }
                    _ if at % 8 == 3 => {
                        let payload = w.new_payload(&prompt, "{}");
                        w.create_payload(w.stamp(), payload).await
                    }
                    _ if at % 8 == 4 => {
                        let scope = px0_core::key::KeyScope::Teams([red.id].into());
                        w.create_key(w.stamp(), w.new_key(&home, scope)).await
                    }
                    _ if at % 8 == 5 => {
                        let request = w.new_request(&red, &bob);
                        w.create_join_request(w.stamp(), request).await
                    }
                    _ if at % 8 == 6 => {
                        let account = w.new_account(&format!("user-{at}-of-{round}"));
                        w.add_account(w.stamp(), account, red.id, Role::Viewer).await
                    }
                    _ => w.move_prompt(w.stamp(), prompt.id, home.team.id).await.map(drop),
                };
                // Before it was deleted, or after; the audit at the end finds what fell between.
                let fine = match &answer {
                    Ok(()) | Err(StoreError::Missing(_)) => true,
                    Err(error) => *error == Refusal::RequestPending.into(),
                };
                assert!(fine, "{answer:?}");
            }
        })
        .await;
        assert_eq!(w.teams(home.org.id).await.map_or(0, |teams| teams.len()), 0);
    }
}

async fn nothing_is_written_into_a_prompt_that_is_being_archived(w: World) {
    let home = w.home("acme").await;
    let prompt = w.prompt(&home.team, "greeting").await;
    let answers = race(33, |at| {
        let (w, prompt) = (w.clone(), prompt.id);
        async move {
            if at == 16 {
                let archived = PromptStatus::Archived;
                w.set_prompt_status(w.stamp(), prompt, archived).await.map(|_| 0)
            } else {
                let id = w.new_version_id();
                let made = w.create_version(w.stamp(), prompt, id, body("Hello"));
                made.await.map(|version| version.number)
            }
        }
    });
    let made = winners(answers.await, Refusal::PromptArchived) - 1;
    let versions = w.versions(prompt.id, &VersionFilter::default(), all()).await.unwrap().items;
    assert_eq!(versions.len(), made);
    let numbers: Vec<_> = versions.iter().rev().map(|version| version.number as usize).collect();
    assert_eq!(numbers, (1..=made).collect::<Vec<_>>());
}

async fn the_last_use_of_a_key_is_the_latest_of_many(w: World) {
    let home = w.home("acme").await;
    let key = w.key_for(&home, &[]).await;
    let mut times: Vec<_> = (0..64).map(|_| w.now()).collect();
    let latest = times[63];
    // Neither the first nor the last that starts has the latest time.
    times.rotate_left(40);
    race(64, |at| {
        let (w, key, time) = (w.clone(), key.id, times[at]);
        async move { w.touch_key(key, time).await.unwrap() }
    })
    .await;
    assert_eq!(w.key(key.id).await.unwrap().unwrap().last_used_at, Some(latest));
}

async fn one_code_key_is_kept_for_many_callers(w: World) {
    let keys = race(32, |at| {
        let w = w.clone();
        let fresh = px0_core::secret::CodeKey::from_bytes([u8::try_from(at).unwrap(); 32]);
        async move { *w.code_key(fresh).await.unwrap().expose() }
    });
    let keys: BTreeSet<_> = keys.await.into_iter().collect();
    assert_eq!(keys.len(), 1);
}
