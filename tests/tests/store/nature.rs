//! Where backends would differ by nature: order, letters, clocks, and what is left when they close.

use px0_core::{
    Description, Timestamp,
    prompt::{Prompt, PromptFilter},
    secret::TokenHash,
    store::{Stamp, StoreError, Thing},
    tenancy::{Role, Team},
};

use crate::world::{ALL_NUMBERED, Law, World, address, all, body, laws, name, secret};

pub(crate) const LAWS: &[Law] = laws![
    names_are_in_byte_order_whatever_the_locale,
    addresses_are_in_byte_order_whatever_the_locale,
    every_character_of_a_searched_text_stands_for_itself,
    a_searched_text_is_found_in_any_case_also_beyond_ascii,
    times_are_kept_to_the_microsecond,
    times_before_1970_and_far_ahead_are_kept_and_ordered,
    texts_are_kept_byte_for_byte,
    what_was_acknowledged_is_there_after_the_store_is_opened_again,
    a_closed_store_that_keeps_its_data_acknowledges_nothing_more,
    a_store_answers_and_says_what_it_is,
];

/// In byte order, and in no other: a locale puts "a" before "B", "é" before "z", and ignores marks.
const IN_ORDER: [&str; 10] = ["10", "9", "B", "Z-a", "Za", "_", "a", "a b", "ab", "é"];

async fn names_are_in_byte_order_whatever_the_locale(w: World) {
    let home = w.home("acme").await;
    let bob = w.editor(&home.team, "bob").await;
    for at in [7, 2, 9, 0, 4, 5, 8, 1, 3, 6] {
        let team = w.team_in(&home, IN_ORDER[at]).await;
        w.join(&team, &bob, Role::Viewer).await;
        let other = w.found(w.founding(&format!("founder-{at}"), IN_ORDER[at])).await;
        w.join(&other.team, &bob, Role::Viewer).await;
    }
    let but = |text: &&str| *text != Team::DEFAULT_NAME && *text != "acme";
    let teams = w.teams(home.org.id).await.unwrap();
    let teams: Vec<_> = teams.iter().map(|team| team.name.as_str()).filter(but).collect();
    assert_eq!(teams, IN_ORDER);
    let mine = w.teams_of(bob.id).await.unwrap();
    let mine: Vec<_> = mine.iter().map(|(team, _)| team.name.as_str()).filter(but).collect();
    assert_eq!(mine, IN_ORDER);
    let orgs = w.orgs_of(bob.id).await.unwrap();
    let orgs: Vec<_> = orgs.iter().map(|(org, _)| org.name.as_str()).filter(but).collect();
    assert_eq!(orgs, IN_ORDER);
}

async fn addresses_are_in_byte_order_whatever_the_locale(w: World) {
    let home = w.home("acme").await;
    let red = w.empty_team(&home, "red").await;
    let in_order = ["a+z", "a-z", "a.z", "a_z", "ab", "zz", "é"];
    for at in [4, 6, 1, 3, 0, 5, 2] {
        w.editor(&red, in_order[at]).await;
    }
    let members = w.members(red.id, ALL_NUMBERED).await.unwrap().items;
    let members: Vec<_> = members.iter().map(|member| member.email.local()).collect();
    assert_eq!(members, in_order);
    let people = w.people(home.org.id, ALL_NUMBERED).await.unwrap().items;
    let people: Vec<_> = people.iter().map(|user| user.email.local()).collect();
    assert_eq!(people, ["a+z", "a-z", "a.z", "a_z", "ab", "admin-of-acme", "zz", "é"]);
}

/// The names of a team's prompts that have `text` in them, in byte order.
async fn search(w: &World, team: &Team, text: &str) -> Vec<String> {
    let filter = PromptFilter { text: Some(text.into()), ..PromptFilter::default() };
    let found = w.prompts(team.id, &filter, all()).await.unwrap().items;
    let mut names: Vec<_> = found.iter().map(|prompt| prompt.name.to_string()).collect();
    names.sort();
    names
}

async fn every_character_of_a_searched_text_stands_for_itself(w: World) {
    let home = w.home("acme").await;
    for (number, called) in
        ["100%", "100 x", "a b", r"back\slash", "it's", "x.y"].iter().enumerate()
    {
        // The slug is of digits and letters alone, so that what is found is found in the name.
        let slug = px0_core::Slug::exact(&format!("p{number}")).unwrap();
        let prompt = Prompt { slug, ..w.new_prompt(&home.team, called) };
        w.create_prompt(w.stamp(), prompt).await.unwrap();
    }
    let cases: [(&str, &[&str]); 12] = [
        ("%", &["100%"]),
        ("0%", &["100%"]),
        ("_", &[]),
        ("1_0", &[]),
        ("a_b", &[]),
        ("%b%", &[]),
        (r"\", &[r"back\slash"]),
        (r"\%", &[]),
        ("'", &["it's"]),
        (".", &["x.y"]),
        ("a.b", &[]),
        (" ", &["100 x", "a b"]),
    ];
    for (text, expected) in cases {
        assert_eq!(search(&w, &home.team, text).await, expected, "{text}");
    }
    let slug = px0_core::Slug::exact("with_line").unwrap();
    let prompt = Prompt { slug, ..w.new_prompt(&home.team, "slugged") };
    w.create_prompt(w.stamp(), prompt).await.unwrap();
    assert_eq!(search(&w, &home.team, "_").await, ["slugged"]);
}

async fn a_searched_text_is_found_in_any_case_also_beyond_ascii(w: World) {
    let home = w.home("acme").await;
    let description = Description::parse("description", "ÉCOLE Übung ПРИВЕТ").unwrap();
    let prompt = Prompt { description, ..w.new_prompt(&home.team, "greeting") };
    w.create_prompt(w.stamp(), prompt).await.unwrap();
    for text in ["école", "ÉCOLE", "übung", "привет", "Привет", "GREET"] {
        assert_eq!(search(&w, &home.team, text).await, ["greeting"], "{text}");
    }
    for text in ["ecole", "ubung"] {
        assert_eq!(search(&w, &home.team, text).await, [""; 0], "{text}");
    }
}

async fn times_are_kept_to_the_microsecond(w: World) {
    let at = Timestamp::from_micros(1_767_323_045_123_457).unwrap();
    let stamp = Stamp { at, ..w.stamp() };
    let home = w.home("acme").await;
    let mut prompt = w.new_prompt(&home.team, "greeting");
    (prompt.created_at, prompt.updated_at) = (at, at);
    w.create_prompt(stamp, prompt.clone()).await.unwrap();
    assert_eq!(w.prompt_now(&prompt).await, prompt);
    let id = w.new_version_id();
    w.create_version(stamp, prompt.id, id, body("Hello")).await.unwrap();
    for _ in 0..2 {
        w.step_version(stamp, id, px0_core::lifecycle::Step::Promote, None).await.unwrap();
    }
    let live = w.version(prompt.id, &px0_core::tag::Selector::Live).await.unwrap().unwrap();
    assert_eq!((live.created_at, live.updated_at, live.published_at), (at, at, Some(at)));
    let key = w.key_for(&home, &[]).await;
    w.touch_key(key.id, at).await.unwrap();
    assert_eq!(w.key(key.id).await.unwrap().unwrap().last_used_at, Some(at));
}

async fn times_before_1970_and_far_ahead_are_kept_and_ordered(w: World) {
    let home = w.home("acme").await;
    let times = [-1, 0, 1, -62_135_596_800_000_000, 253_402_300_799_999_999];
    let times = times.map(|micros| Timestamp::from_micros(micros).unwrap());
    for (number, at) in times.iter().enumerate() {
        let name = format!("prompt {number}");
        let prompt = Prompt { created_at: *at, ..w.new_prompt(&home.team, &name) };
        w.create_prompt(w.stamp(), prompt).await.unwrap();
    }
    let listed = w.prompts(home.team.id, &PromptFilter::default(), all()).await.unwrap().items;
    let listed: Vec<_> = listed.iter().map(|prompt| prompt.created_at).collect();
    let [before, zero, after, least, most] = times;
    assert_eq!(listed, [most, after, zero, before, least]);
}

async fn texts_are_kept_byte_for_byte(w: World) {
    let home = w.home("acme").await;
    let prompt = w.prompt(&home.team, "greeting").await;
    let text = "\u{feff}tab\there\r\n \u{1f600}\u{301} e\u{301} é \\u0041 \"'`$${{%_\u{7f}\n\n";
    let draft = w.draft(&prompt, text).await;
    assert_eq!(&*w.reread(&draft).await.body.template, text);
}

/// That all which can be read is the same after any test is held at its end; here is what cannot be read.
async fn what_was_acknowledged_is_there_after_the_store_is_opened_again(w: World) {
    let home = w.home("acme").await;
    let bob = w.editor(&home.team, "bob").await;
    let reset = w.code("reset");
    w.mail_verification(bob.id, w.code("right")).await;
    let home_address = address("home");
    for _ in 0..4 {
        let _ = w.verify_email(w.stamp(), &bob.email, &TokenHash::of("wrong"), &home_address).await;
    }
    w.mail_reset(home.admin.id, reset.clone()).await;
    let session = w.login(&bob).await;
    let closed = w.login(&bob).await;
    w.close_session(&closed.hash).await.unwrap();

    let w = if w.keeps() { w.reopened().await } else { w };

    assert!(w.session(&session.hash, w.now()).await.unwrap().is_some());
    assert_eq!(w.session(&closed.hash, w.now()).await.unwrap(), None);
    assert_eq!(w.session(&secret(), w.now()).await.unwrap(), None);
    // Four tries were used up, and the fifth is left: then there is none.
    let (right, wrong) = (TokenHash::of("right"), TokenHash::of("wrong"));
    assert!(w.verify_email(w.stamp(), &bob.email, &wrong, &home_address).await.is_err());
    let w = if w.keeps() { w.reopened().await } else { w };
    assert!(w.verify_email(w.stamp(), &bob.email, &right, &home_address).await.is_err());
    let user = w.reset_password(w.stamp(), &reset.hash, "new".into()).await.unwrap();
    assert_eq!(user.id, home.admin.id);
    assert_eq!(w.last_login(bob.id, &home_address).await, Ok(Some(closed.created_at)));
    let nobody = w.new_session(&w.new_account("nobody").user, 60);
    w.refuses(Thing::User, w.open_session(nobody, home_address)).await;
}

async fn a_closed_store_that_keeps_its_data_acknowledges_nothing_more(w: World) {
    let home = w.home("acme").await;
    if w.keeps() {
        let again = w.reopened().await;
        let attempt = w.rename_org(w.stamp(), home.org.id, name("late"), home.admin.id).await;
        assert!(matches!(attempt, Err(StoreError::Unavailable(_))), "{attempt:?}");
        assert_eq!(again.org(home.org.id).await.unwrap(), Some(home.org));
    }
}

async fn a_store_answers_and_says_what_it_is(w: World) {
    w.ping().await.unwrap();
    let summary = w.summary();
    assert!(!summary.is_empty() && !summary.contains('\n'), "{summary:?}");
}
