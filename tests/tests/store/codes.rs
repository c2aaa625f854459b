//! Codes that are mailed: to verify an address, to reset a password.

use std::time::Duration;

use px0_core::{
    Timestamp,
    mailed::{MailedCode, MailedCodes},
    secret::TokenHash,
    store::{Refusal, Thing},
    tenancy::Role,
    user::User,
};

use crate::world::{Law, World, address, email, laws, secret};

pub(crate) const LAWS: &[Law] = laws![
    a_verification_code_is_kept_only_for_a_user,
    the_right_code_verifies_the_user_once,
    a_wrong_code_takes_one_try_away,
    the_fifth_wrong_code_voids_the_right_one,
    the_right_code_proves_the_user,
    wrong_codes_from_one_address_leave_tries_for_others,
    the_fiftieth_wrong_code_from_anywhere_voids_the_right_one,
    a_try_that_is_not_held_against_a_code_changes_nothing,
    a_new_code_leaves_the_former_ones_and_has_all_its_tries,
    a_wrong_code_is_held_against_each_that_it_could_have_been,
    so_many_codes_are_kept_until_one_ends,
    a_code_without_tries_left_is_one_of_so_many,
    a_code_ends_when_its_time_is_reached,
    a_code_proves_only_the_address_it_was_sent_to,
    a_try_without_user_or_code_is_a_wrong_code,
    a_reset_code_is_kept_only_for_a_user,
    a_reset_sets_the_password_verifies_and_ends_all_sessions,
    a_reset_voids_a_verification_code_too,
    a_reset_code_is_used_once,
    a_new_reset_code_leaves_the_former_ones_until_one_is_used,
    a_reset_code_is_there_while_it_can_be_used,
    a_reset_makes_an_admin_of_who_was_made_and_never_proved,
    a_reset_code_ends_when_its_time_is_reached,
    a_reset_leaves_the_sessions_of_others,
    the_same_address_leaves_the_mailed_code_in_force,
    a_new_address_voids_the_codes_that_were_mailed_to_the_former,
    a_new_password_voids_a_mailed_reset_code,
];

async fn a_verification_code_is_kept_only_for_a_user(w: World) {
    let stranger = w.new_account("bob").user;
    w.refuses(Thing::User, w.put_verification(w.now(), stranger.id, w.code("123456"))).await;
}

/// Tries a verification code from `home`; `None` when it was the right one.
pub(crate) async fn verify(w: &World, user: &User, code: &str) -> Option<Refusal> {
    verify_from(w, user, code, "home").await
}

async fn verify_from(w: &World, user: &User, code: &str, from: &str) -> Option<Refusal> {
    let hash = TokenHash::of(code);
    let tried = w.verify_email(w.stamp(), &user.email, &hash, &address(from)).await;
    tried.err().map(|error| match error {
        px0_core::store::StoreError::Refused(why) => why,
        other => panic!("{other:?}"),
    })
}

async fn is_verified(w: &World, user: &User) -> bool {
    w.account(user.id).await.unwrap().unwrap().user.is_verified
}

async fn the_right_code_verifies_the_user_once(w: World) {
    let ann = w.home("acme").await.admin;
    w.mail_verification(ann.id, w.code("right")).await;
    assert!(!is_verified(&w, &ann).await);
    assert_eq!(verify(&w, &ann, "right").await, None);
    assert!(is_verified(&w, &ann).await);
    assert_eq!(verify(&w, &ann, "right").await, Some(Refusal::WrongCode));
}

async fn a_wrong_code_takes_one_try_away(w: World) {
    let ann = w.home("acme").await.admin;
    w.mail_verification(ann.id, w.code("right")).await;
    for _ in 1..MailedCode::TRIES_FROM_ONE {
        assert_eq!(verify(&w, &ann, "wrong").await, Some(Refusal::WrongCode));
        assert!(!is_verified(&w, &ann).await);
    }
    assert_eq!(verify(&w, &ann, "right").await, None, "the last try counts");
}

async fn the_fifth_wrong_code_voids_the_right_one(w: World) {
    let ann = w.home("acme").await.admin;
    w.mail_verification(ann.id, w.code("right")).await;
    for _ in 0..MailedCode::TRIES_FROM_ONE {
        assert_eq!(verify(&w, &ann, "wrong").await, Some(Refusal::WrongCode));
    }
    assert_eq!(verify(&w, &ann, "right").await, Some(Refusal::WrongCode));
    assert!(!is_verified(&w, &ann).await);
}

async fn the_right_code_proves_the_user(w: World) {
    let bob = w.editor(&w.home("acme").await.team, "bob").await;
    assert!(!w.account(bob.id).await.unwrap().unwrap().was_proved);
    w.mail_verification(bob.id, w.code("right")).await;
    assert_eq!(verify(&w, &bob, "right").await, None);
    let account = w.account(bob.id).await.unwrap().unwrap();
    assert!(account.was_proved);
    assert_eq!(account.user, User { is_verified: true, ..bob }, "and nothing else");
}

async fn wrong_codes_from_one_address_leave_tries_for_others(w: World) {
    let ann = w.home("acme").await.admin;
    w.mail_verification(ann.id, w.code("right")).await;
    for _ in 0..MailedCode::TRIES_FROM_ONE {
        assert_eq!(verify_from(&w, &ann, "wrong", "there").await, Some(Refusal::WrongCode));
    }
    assert_eq!(verify_from(&w, &ann, "right", "there").await, Some(Refusal::WrongCode));
    assert_eq!(verify_from(&w, &ann, "right", "home").await, None);
}

async fn the_fiftieth_wrong_code_from_anywhere_voids_the_right_one(w: World) {
    let home = w.home("acme").await;
    let bob = w.editor(&home.team, "bob").await;
    for (user, tries) in [(&home.admin, MailedCode::TRIES - 1), (&bob, MailedCode::TRIES)] {
        w.mail_verification(user.id, w.code("right")).await;
        for at in 0..tries {
            let from = format!("address {}", at / MailedCode::TRIES_FROM_ONE);
            assert_eq!(verify_from(&w, user, "wrong", &from).await, Some(Refusal::WrongCode));
        }
    }
    assert_eq!(verify_from(&w, &home.admin, "right", "home").await, None, "one try was left");
    assert_eq!(verify_from(&w, &bob, "right", "home").await, Some(Refusal::WrongCode));
}

async fn a_try_that_is_not_held_against_a_code_changes_nothing(w: World) {
    let ann = w.home("acme").await.admin;
    w.mail_verification(ann.id, w.code("right")).await;
    for _ in 0..3 * MailedCode::TRIES {
        verify_from(&w, &ann, "wrong", "there").await;
    }
    assert_eq!(verify_from(&w, &ann, "right", "home").await, None);
}

async fn a_new_code_leaves_the_former_ones_and_has_all_its_tries(w: World) {
    let ann = w.home("acme").await.admin;
    w.mail_verification(ann.id, w.code("former")).await;
    for _ in 0..MailedCode::TRIES_FROM_ONE {
        verify(&w, &ann, "wrong").await;
    }
    w.mail_verification(ann.id, w.code("new")).await;
    assert_eq!(verify(&w, &ann, "former").await, Some(Refusal::WrongCode), "no try from here");
    assert_eq!(verify_from(&w, &ann, "former", "there").await, None);

    let bob = w.editor(&w.home("beta").await.team, "bob").await;
    w.mail_verification(bob.id, w.code("former")).await;
    for _ in 0..MailedCode::TRIES_FROM_ONE {
        verify(&w, &bob, "wrong").await;
    }
    w.mail_verification(bob.id, w.code("new")).await;
    assert_eq!(verify(&w, &bob, "new").await, None);
    assert_eq!(verify_from(&w, &bob, "former", "there").await, Some(Refusal::WrongCode), "used");
}

async fn a_wrong_code_is_held_against_each_that_it_could_have_been(w: World) {
    let ann = w.home("acme").await.admin;
    for text in ["one", "two"] {
        w.mail_verification(ann.id, w.code(text)).await;
    }
    for _ in 0..MailedCode::TRIES_FROM_ONE {
        verify(&w, &ann, "wrong").await;
    }
    for text in ["one", "two"] {
        assert_eq!(verify(&w, &ann, text).await, Some(Refusal::WrongCode));
    }
}

async fn so_many_codes_are_kept_until_one_ends(w: World) {
    let ann = w.home("acme").await.admin;
    let at = w.now();
    let (soon, late) = (at.plus(Duration::from_secs(10)), at.plus(Duration::from_secs(900)));
    let code = |number: usize| {
        let ends = if number == 1 { soon } else { late };
        MailedCode::new(TokenHash::of(&number.to_string()), ends)
    };
    for number in 0..MailedCodes::MOST {
        assert!(w.put_verification(at, ann.id, code(number)).await.unwrap());
        assert!(w.put_reset(at, ann.id, code(number)).await.unwrap());
    }
    assert!(!w.ignores(w.put_verification(at, ann.id, code(100))).await);
    assert!(!w.ignores(w.put_reset(at, ann.id, code(100))).await);
    let stamp = px0_core::store::Stamp { at, ..w.stamp() };
    let (late, from) = (code(100).hash, address("home"));
    let attempt = w.reset_password(stamp, &late, "new".into());
    w.refuses(Refusal::WrongResetCode, attempt).await;

    assert!(w.put_verification(soon, ann.id, code(101)).await.unwrap());
    assert!(w.put_reset(soon, ann.id, code(101)).await.unwrap());
    assert!(!w.put_verification(soon, ann.id, code(102)).await.unwrap());
    let stamp = px0_core::store::Stamp { at: soon, ..w.stamp() };
    let oldest = code(0).hash;
    let tried = w.verify_email(stamp, &ann.email, &oldest, &from);
    assert_eq!(tried.await, Ok(()), "the oldest is as good as the newest");
    let user = w.reset_password(stamp, &code(0).hash, "new".into()).await.unwrap();
    assert_eq!(user.id, ann.id);
    let newest = code(101).hash;
    let attempt = w.reset_password(stamp, &newest, "newer".into());
    w.refuses(Refusal::WrongResetCode, attempt).await;
    assert!(w.put_reset(soon, ann.id, code(103)).await.unwrap(), "all are gone");
}

async fn a_code_without_tries_left_is_one_of_so_many(w: World) {
    let ann = w.home("acme").await.admin;
    let spent = MailedCode { tries_left: 0, ..w.code("spent") };
    for _ in 0..MailedCodes::MOST {
        w.mail_verification(ann.id, spent.clone()).await;
    }
    let kept = w.put_verification(w.now(), ann.id, w.code("new")).await;
    assert_eq!(kept, Ok(false), "guesses could be had by having codes made");
}

async fn a_code_ends_when_its_time_is_reached(w: World) {
    let ann = w.home("acme").await.admin;
    let code = w.code("right");
    let at_the_end = px0_core::store::Stamp { at: code.expires_at, ..w.stamp() };
    w.mail_verification(ann.id, code.clone()).await;
    let from = address("home");
    let late = w.verify_email(at_the_end, &ann.email, &code.hash, &from);
    w.refuses(Refusal::WrongCode, late).await;

    let just_before = Timestamp::from_micros(code.expires_at.micros() - 1).unwrap();
    let in_time = px0_core::store::Stamp { at: just_before, ..w.stamp() };
    w.verify_email(in_time, &ann.email, &code.hash, &address("home")).await.unwrap();
}

async fn a_code_proves_only_the_address_it_was_sent_to(w: World) {
    let home = w.home("acme").await;
    let bob = w.editor(&home.team, "bob").await;
    w.mail_verification(bob.id, w.code("bob's")).await;
    w.mail_verification(home.admin.id, w.code("ann's")).await;
    assert_eq!(verify(&w, &home.admin, "bob's").await, Some(Refusal::WrongCode));
    assert_eq!(verify(&w, &bob, "bob's").await, None);
    assert!(!is_verified(&w, &home.admin).await);
}

async fn a_try_without_user_or_code_is_a_wrong_code(w: World) {
    let ann = w.home("acme").await.admin;
    assert_eq!(verify(&w, &ann, "any").await, Some(Refusal::WrongCode));
    let stranger = w.new_account("nobody").user;
    assert_eq!(verify(&w, &stranger, "any").await, Some(Refusal::WrongCode));
}

async fn a_reset_code_is_kept_only_for_a_user(w: World) {
    let stranger = w.new_account("bob").user;
    w.refuses(Thing::User, w.put_reset(w.now(), stranger.id, w.code("reset"))).await;
}

async fn a_reset_sets_the_password_verifies_and_ends_all_sessions(w: World) {
    let ann = w.home("acme").await.admin;
    let sessions = [w.login(&ann).await, w.login(&ann).await];
    let code = w.code("reset");
    w.mail_reset(ann.id, code.clone()).await;

    let user = w.reset_password(w.stamp(), &code.hash, "new".into()).await.unwrap();

    assert_eq!(user, User { is_verified: true, ..ann });
    let account = w.account(user.id).await.unwrap().unwrap();
    assert_eq!((&account.user, account.password_hash.as_str()), (&user, "new"));
    assert!(account.was_proved);
    for session in sessions {
        assert_eq!(w.session(&session.hash, w.now()).await.unwrap(), None);
    }
}

async fn a_reset_voids_a_verification_code_too(w: World) {
    let ann = w.home("acme").await.admin;
    let code = w.code("reset");
    w.mail_verification(ann.id, w.code("right")).await;
    w.mail_reset(ann.id, code.clone()).await;
    w.reset_password(w.stamp(), &code.hash, "new".into()).await.unwrap();
    assert_eq!(verify(&w, &ann, "right").await, Some(Refusal::WrongCode));
}

async fn a_reset_code_is_used_once(w: World) {
    let ann = w.home("acme").await.admin;
    let code = w.code("reset");
    w.mail_reset(ann.id, code.clone()).await;
    w.reset_password(w.stamp(), &code.hash, "new".into()).await.unwrap();
    let again = w.reset_password(w.stamp(), &code.hash, "newer".into());
    w.refuses(Refusal::WrongResetCode, again).await;
}

async fn a_new_reset_code_leaves_the_former_ones_until_one_is_used(w: World) {
    let ann = w.home("acme").await.admin;
    let (former, new) = (w.code("former"), w.code("new"));
    w.mail_reset(ann.id, former.clone()).await;
    w.mail_reset(ann.id, new.clone()).await;
    w.reset_password(w.stamp(), &former.hash, "new".into()).await.unwrap();
    let attempt = w.reset_password(w.stamp(), &new.hash, "newer".into());
    w.refuses(Refusal::WrongResetCode, attempt).await;
}

async fn a_reset_code_is_there_while_it_can_be_used(w: World) {
    let ann = w.home("acme").await.admin;
    let (former, new) = (w.code("former"), w.code("new"));
    w.mail_reset(ann.id, former.clone()).await;
    w.mail_reset(ann.id, new.clone()).await;
    for code in [&former, &new] {
        let just_before = Timestamp::from_micros(code.expires_at.micros() - 1).unwrap();
        assert_eq!(w.has_reset(&code.hash, just_before).await, Ok(true));
        assert_eq!(w.has_reset(&code.hash, code.expires_at).await, Ok(false));
    }
    assert_eq!(w.has_reset(&secret(), w.now()).await, Ok(false));
    w.reset_password(w.stamp(), &new.hash, "new".into()).await.unwrap();
    for code in [&former, &new] {
        assert_eq!(w.has_reset(&code.hash, w.now()).await, Ok(false));
    }
}

async fn a_reset_makes_an_admin_of_who_was_made_and_never_proved(w: World) {
    let home = w.home("acme").await;
    let made = async |name: &str| {
        let account = w.new_account(name);
        let user = User { is_admin: false, ..account.user };
        let account = px0_core::user::Account { user, ..account };
        let user = account.user.clone();
        w.add_account(w.stamp(), account, home.team.id, Role::Editor).await.unwrap();
        user
    };
    let reset = async |user: &User| {
        let code = MailedCode { hash: secret(), ..w.code("reset") };
        w.mail_reset(user.id, code.clone()).await;
        w.reset_password(w.stamp(), &code.hash, "new".into()).await.unwrap()
    };
    let bob = made("bob").await;
    assert_eq!(reset(&bob).await, User { is_verified: true, is_admin: true, ..bob });

    // Who proved an address once and has another one since is not somebody whom nobody had proved.
    let eve = made("eve").await;
    w.mail_verification(eve.id, w.code("right")).await;
    assert_eq!(verify(&w, &eve, "right").await, None);
    let moved = w.change_email(w.stamp(), eve.id, email("eve2"), false).await.unwrap();
    assert_eq!(reset(&moved).await, User { is_verified: true, is_admin: false, ..moved });
}

async fn a_reset_code_ends_when_its_time_is_reached(w: World) {
    let ann = w.home("acme").await.admin;
    let code = w.code("reset");
    w.mail_reset(ann.id, code.clone()).await;
    let at_the_end = px0_core::store::Stamp { at: code.expires_at, ..w.stamp() };
    let late = w.reset_password(at_the_end, &code.hash, "new".into());
    w.refuses(Refusal::WrongResetCode, late).await;
    w.refuses(Refusal::WrongResetCode, w.reset_password(w.stamp(), &secret(), "new".into())).await;
}

async fn a_reset_leaves_the_sessions_of_others(w: World) {
    let home = w.home("acme").await;
    let bob = w.editor(&home.team, "bob").await;
    let session = w.login(&bob).await;
    let code = w.code("reset");
    w.mail_reset(home.admin.id, code.clone()).await;
    w.reset_password(w.stamp(), &code.hash, "new".into()).await.unwrap();
    assert!(w.session(&session.hash, w.now()).await.unwrap().is_some());
}

async fn the_same_address_leaves_the_mailed_code_in_force(w: World) {
    let ann = w.home("acme").await.admin;
    w.mail_verification(ann.id, w.code("right")).await;
    w.change_email(w.stamp(), ann.id, ann.email.clone(), false).await.unwrap();
    assert_eq!(verify(&w, &ann, "right").await, None);
}

async fn a_new_address_voids_the_codes_that_were_mailed_to_the_former(w: World) {
    let ann = w.home("acme").await.admin;
    let reset = w.code("reset");
    w.mail_verification(ann.id, w.code("right")).await;
    w.mail_reset(ann.id, reset.clone()).await;
    let changed = w.change_email(w.stamp(), ann.id, email("new"), false).await.unwrap();

    assert_eq!(verify(&w, &ann, "right").await, Some(Refusal::WrongCode));
    assert_eq!(verify(&w, &changed, "right").await, Some(Refusal::WrongCode));
    let attempt = w.reset_password(w.stamp(), &reset.hash, "new".into());
    w.refuses(Refusal::WrongResetCode, attempt).await;
}

async fn a_new_password_voids_a_mailed_reset_code(w: World) {
    let ann = w.home("acme").await.admin;
    let code = w.code("reset");
    w.mail_reset(ann.id, code.clone()).await;
    let old = w.account(ann.id).await.unwrap().unwrap().password_hash;
    w.change_password(w.stamp(), ann.id, &old, "new".into(), &secret()).await.unwrap();
    let attempt = w.reset_password(w.stamp(), &code.hash, "newer".into());
    w.refuses(Refusal::WrongResetCode, attempt).await;
}
