//! Codes that are mailed: to verify an address, to reset a password.

use px0_core::{
    Timestamp,
    secret::TokenHash,
    store::{Refusal, Thing},
    user::{MailedCode, User},
};

use crate::world::{Law, World, email, laws, secret};

pub(crate) const LAWS: &[Law] = laws![
    a_verification_code_is_kept_only_for_a_user,
    the_right_code_verifies_the_user_once,
    a_wrong_code_takes_one_try_away,
    the_fifth_wrong_code_voids_the_right_one,
    a_new_code_voids_the_former_and_has_all_its_tries,
    a_code_ends_when_its_time_is_reached,
    a_code_proves_only_the_address_it_was_sent_to,
    a_try_without_user_or_code_is_a_wrong_code,
    a_reset_code_is_kept_only_for_a_user,
    a_reset_sets_the_password_verifies_and_ends_all_sessions,
    a_reset_voids_a_verification_code_too,
    a_reset_code_is_used_once,
    a_new_reset_code_voids_the_former,
    a_reset_code_ends_when_its_time_is_reached,
    a_reset_leaves_the_sessions_of_others,
    the_same_address_leaves_the_mailed_code_in_force,
    a_new_address_voids_the_codes_that_were_mailed_to_the_former,
    a_new_password_voids_a_mailed_reset_code,
];

async fn a_verification_code_is_kept_only_for_a_user(w: World) {
    let stranger = w.new_account("bob").user;
    w.refuses(Thing::User, w.put_verification(stranger.id, w.code("123456"))).await;
}

/// Tries a verification code; `None` when it was the right one.
pub(crate) async fn verify(w: &World, user: &User, code: &str) -> Option<Refusal> {
    let tried = w.verify_email(w.stamp(), &user.email, &TokenHash::of(code)).await;
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
    w.put_verification(ann.id, w.code("right")).await.unwrap();
    assert!(!is_verified(&w, &ann).await);
    assert_eq!(verify(&w, &ann, "right").await, None);
    assert!(is_verified(&w, &ann).await);
    assert_eq!(verify(&w, &ann, "right").await, Some(Refusal::WrongCode));
}

async fn a_wrong_code_takes_one_try_away(w: World) {
    let ann = w.home("acme").await.admin;
    w.put_verification(ann.id, w.code("right")).await.unwrap();
    for _ in 1..MailedCode::TRIES {
        assert_eq!(verify(&w, &ann, "wrong").await, Some(Refusal::WrongCode));
        assert!(!is_verified(&w, &ann).await);
    }
    assert_eq!(verify(&w, &ann, "right").await, None, "the last try counts");
}

async fn the_fifth_wrong_code_voids_the_right_one(w: World) {
    let ann = w.home("acme").await.admin;
    w.put_verification(ann.id, w.code("right")).await.unwrap();
    for _ in 0..MailedCode::TRIES {
        assert_eq!(verify(&w, &ann, "wrong").await, Some(Refusal::WrongCode));
    }
    assert_eq!(verify(&w, &ann, "right").await, Some(Refusal::WrongCode));
    assert!(!is_verified(&w, &ann).await);
}

async fn a_new_code_voids_the_former_and_has_all_its_tries(w: World) {
    let ann = w.home("acme").await.admin;
    w.put_verification(ann.id, w.code("former")).await.unwrap();
    for _ in 0..MailedCode::TRIES {
        verify(&w, &ann, "wrong").await;
    }
    w.put_verification(ann.id, w.code("new")).await.unwrap();
    assert_eq!(verify(&w, &ann, "former").await, Some(Refusal::WrongCode));
    assert_eq!(verify(&w, &ann, "new").await, None);
}

async fn a_code_ends_when_its_time_is_reached(w: World) {
    let ann = w.home("acme").await.admin;
    let code = w.code("right");
    let at_the_end = px0_core::store::Stamp { at: code.expires_at, ..w.stamp() };
    w.put_verification(ann.id, code.clone()).await.unwrap();
    let late = w.verify_email(at_the_end, &ann.email, &code.hash);
    w.refuses(Refusal::WrongCode, late).await;

    let just_before = Timestamp::from_micros(code.expires_at.micros() - 1).unwrap();
    let in_time = px0_core::store::Stamp { at: just_before, ..w.stamp() };
    w.verify_email(in_time, &ann.email, &code.hash).await.unwrap();
}

async fn a_code_proves_only_the_address_it_was_sent_to(w: World) {
    let home = w.home("acme").await;
    let bob = w.editor(&home.team, "bob").await;
    w.put_verification(bob.id, w.code("bob's")).await.unwrap();
    w.put_verification(home.admin.id, w.code("ann's")).await.unwrap();
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
    w.refuses(Thing::User, w.put_reset(stranger.id, w.code("reset"))).await;
}

async fn a_reset_sets_the_password_verifies_and_ends_all_sessions(w: World) {
    let ann = w.home("acme").await.admin;
    let sessions = [w.login(&ann).await, w.login(&ann).await];
    let code = w.code("reset");
    w.put_reset(ann.id, code.clone()).await.unwrap();

    let user = w.reset_password(w.stamp(), &code.hash, "new".into()).await.unwrap();

    assert_eq!(user, User { is_verified: true, ..ann });
    let account = w.account(user.id).await.unwrap().unwrap();
    assert_eq!((account.user, account.password_hash.as_str()), (user, "new"));
    for session in sessions {
        assert_eq!(w.session(&session.hash, w.now()).await.unwrap(), None);
    }
}

async fn a_reset_voids_a_verification_code_too(w: World) {
    let ann = w.home("acme").await.admin;
    let code = w.code("reset");
    w.put_verification(ann.id, w.code("right")).await.unwrap();
    w.put_reset(ann.id, code.clone()).await.unwrap();
    w.reset_password(w.stamp(), &code.hash, "new".into()).await.unwrap();
    assert_eq!(verify(&w, &ann, "right").await, Some(Refusal::WrongCode));
}

async fn a_reset_code_is_used_once(w: World) {
    let ann = w.home("acme").await.admin;
    let code = w.code("reset");
    w.put_reset(ann.id, code.clone()).await.unwrap();
    w.reset_password(w.stamp(), &code.hash, "new".into()).await.unwrap();
    let again = w.reset_password(w.stamp(), &code.hash, "newer".into());
    w.refuses(Refusal::WrongResetCode, again).await;
}

async fn a_new_reset_code_voids_the_former(w: World) {
    let ann = w.home("acme").await.admin;
    let (former, new) = (w.code("former"), w.code("new"));
    w.put_reset(ann.id, former.clone()).await.unwrap();
    w.put_reset(ann.id, new.clone()).await.unwrap();
    let attempt = w.reset_password(w.stamp(), &former.hash, "new".into());
    w.refuses(Refusal::WrongResetCode, attempt).await;
    w.reset_password(w.stamp(), &new.hash, "new".into()).await.unwrap();
}

async fn a_reset_code_ends_when_its_time_is_reached(w: World) {
    let ann = w.home("acme").await.admin;
    let code = w.code("reset");
    w.put_reset(ann.id, code.clone()).await.unwrap();
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
    w.put_reset(home.admin.id, code.clone()).await.unwrap();
    w.reset_password(w.stamp(), &code.hash, "new".into()).await.unwrap();
    assert!(w.session(&session.hash, w.now()).await.unwrap().is_some());
}

async fn the_same_address_leaves_the_mailed_code_in_force(w: World) {
    let ann = w.home("acme").await.admin;
    w.put_verification(ann.id, w.code("right")).await.unwrap();
    w.change_email(w.stamp(), ann.id, ann.email.clone(), false).await.unwrap();
    assert_eq!(verify(&w, &ann, "right").await, None);
}

async fn a_new_address_voids_the_codes_that_were_mailed_to_the_former(w: World) {
    let ann = w.home("acme").await.admin;
    let reset = w.code("reset");
    w.put_verification(ann.id, w.code("right")).await.unwrap();
    w.put_reset(ann.id, reset.clone()).await.unwrap();
    let changed = w.change_email(w.stamp(), ann.id, email("new"), false).await.unwrap();

    assert_eq!(verify(&w, &ann, "right").await, Some(Refusal::WrongCode));
    assert_eq!(verify(&w, &changed, "right").await, Some(Refusal::WrongCode));
    let attempt = w.reset_password(w.stamp(), &reset.hash, "new".into());
    w.refuses(Refusal::WrongResetCode, attempt).await;
}

async fn a_new_password_voids_a_mailed_reset_code(w: World) {
    let ann = w.home("acme").await.admin;
    let code = w.code("reset");
    w.put_reset(ann.id, code.clone()).await.unwrap();
    let old = w.account(ann.id).await.unwrap().unwrap().password_hash;
    w.change_password(w.stamp(), ann.id, &old, "new".into(), &secret()).await.unwrap();
    let attempt = w.reset_password(w.stamp(), &code.hash, "newer".into());
    w.refuses(Refusal::WrongResetCode, attempt).await;
}
