//! Plugins that mean harm: loops, memory, traps, lies. Each is stopped where it stands, says who it was, and leaves others alone.

use std::{pin::pin, time::Duration};

use px0_core::{
    plugin::{HookError, Host, OnFailure, Point},
    render::{Limit, RenderError, Tenant},
};
use px0_plugins::PluginSettings;
use px0_tests::plugin::Wat;
use tokio::time::timeout;

use crate::world::{World, decided, tenant};

/// What a function may do that it should not, and what is told of it.
const DEEDS: &[(&str, &str, &str)] = &[
    ("trap", "unreachable", "it crashed"),
    ("loop", "(loop $l (br $l)) unreachable", "it used up its instructions"),
    (
        "fills",
        "(loop $l (memory.fill (i32.const 0) (i32.const 0) (i32.const 131072)) (br $l)) unreachable",
        "it used up its instructions",
    ),
    (
        "grows",
        "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 100)) (i32.const -1)))) unreachable",
        "more memory than it may have",
    ),
    ("recursion", "call $deep", "nested too deeply"),
    ("answer-elsewhere", "i32.const 0x7ffffff0", "broke the rules"),
    ("answer-crooked", "i32.const 1025", "broke the rules"),
    ("answer-of-no-kind", "i32.const 4096", "broke the rules"),
    ("divides", "(i32.div_u (i32.const 1) (i32.const 0))", "it crashed"),
];

/// Lines that the deeds need: a function that calls itself, and bytes that are no answer.
fn armed(plugin: Wat) -> Wat {
    plugin
        .line("(func $deep (result i32) (i32.add (call $deep) (i32.const 1)))")
        .line(r#"(data (i32.const 4096) "\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff")"#)
}

/// Answers of hooks that are well-formed on the outside: a verdict at 5120.
const VERDICTS: &[(&str, &str, &str)] = &[
    (
        "length-beyond-memory",
        r"\00\00\00\00\01\00\00\00\00\00\00\00\ff\ff\ff\7f",
        "broke the rules",
    ),
    ("length-beyond-all", r"\00\00\00\00\01\00\00\00\00\10\00\00\ff\ff\ff\ff", "broke the rules"),
    ("not-utf-8", r"\00\00\00\00\01\00\00\00\00\10\00\00\04\00\00\00", "broke the rules"),
    (
        "refusal-without-code",
        r"\00\00\00\00\02\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00",
        "which is no code",
    ),
    ("says-so", r"\01\00\00\00\01\00\00\00\40\15\00\00\03\00\00\00", "sad"),
    ("settings-too-late", r"\01\00\00\00\00\00\00\00\40\15\00\00\03\00\00\00", "sad"),
];

fn failure(error: HookError) -> String {
    match error {
        HookError::Failed(failure) => failure.to_string(),
        HookError::Refused { .. } => panic!("{error}"),
    }
}

/// Every deed in every function that is called for a render or a promotion.
#[tokio::test(flavor = "multi_thread")]
async fn hooks_that_mean_harm_are_stopped_and_named() {
    let mut hooks = vec![Wat::hook("honest")];
    for (deed, body, _) in DEEDS {
        for (short, function) in [
            ("c", "configure"),
            ("b", "before-render"),
            ("a", "after-render"),
            ("p", "before-promote"),
        ] {
            hooks.push(armed(Wat::hook(&format!("{short}-{deed}"))).body(function, *body));
        }
    }
    for (lie, bytes, _) in VERDICTS {
        let data = format!(r#"(data (i32.const 5120) "{bytes}")"#);
        let hook = armed(Wat::hook(&format!("v-{lie}"))).body("after-render", "i32.const 5120");
        hooks.push(hook.line(&data).line(r#"(data (i32.const 5440) "sad")"#));
    }
    for (lie, realloc) in [
        ("nowhere", "i32.const -1"),
        ("crooked", "i32.const 65537"),
        ("traps", "unreachable"),
        ("loops", "(loop $l (br $l)) unreachable"),
    ] {
        hooks.push(Wat::hook(&format!("r-{lie}")).realloc(realloc));
    }
    let modest = |settings: &mut PluginSettings| settings.start_fuel = 100_000_000;
    let world = World::set_up(&hooks, modest).await;
    let honest = tenant(&["honest"]);
    let asked = |id: String, why: &'static str| {
        let world = &world;
        async move {
            let tenant = tenant(&[&id]);
            let told = async {
                let before = world.before(&tenant).await.map(drop);
                let after = world.after(&tenant, "text").await.map(drop);
                let promote = world.promote(&tenant).await;
                let failures = [before, after, promote].into_iter().filter_map(Result::err);
                failures.map(failure).collect::<Vec<_>>()
            };
            let told = timeout(Duration::from_secs(30), told).await.expect(&id);
            let begins = format!("plugin {id} 1.0.0 failed: ");
            assert!(!told.is_empty(), "{id} did no harm");
            for told in told {
                assert!(told.starts_with(&begins) && told.contains(why), "{id}: {told}");
            }
        }
    };
    for (deed, _, why) in DEEDS {
        for short in ["c", "b", "a", "p"] {
            asked(format!("{short}-{deed}"), why).await;
        }
    }
    for (lie, _, why) in VERDICTS {
        asked(format!("v-{lie}"), why).await;
    }
    for lie in ["nowhere", "crooked", "traps", "loops"] {
        asked(format!("r-{lie}"), "it ").await;
    }
    assert_eq!(world.after(&honest, "text").await, Ok("text".to_owned()));
    assert_eq!(world.promote(&honest).await, Ok(()));
    let benched = world.plugins.benched();
    assert!(benched.iter().all(|benched| benched.plugin.as_str() != "honest"), "{benched:?}");
}

/// A render, which is not waited for for ever.
async fn within(
    world: &World,
    tenant: &Tenant,
    engine: &str,
    source: &str,
) -> Result<String, RenderError> {
    timeout(Duration::from_secs(30), world.render(tenant, engine, source)).await.expect(engine)
}

/// A filter or an engine that means harm ends the render that it is part of, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn filters_and_engines_that_mean_harm_end_one_render() {
    let mut plugins = vec![Wat::filters("honest"), Wat::engine("plain")];
    for (deed, body, _) in DEEDS {
        plugins.push(armed(Wat::filters(&format!("c-{deed}"))).body("configure", *body));
        plugins.push(armed(Wat::filters(&format!("f-{deed}"))).body("call", *body));
        plugins.push(armed(Wat::engine(&format!("e-{deed}"))).body("compile", *body));
        plugins.push(armed(Wat::engine(&format!("r-{deed}"))).body("render", *body));
    }
    let world = World::with(&plugins).await;
    for (deed, _, _) in DEEDS {
        for short in ["c", "f"] {
            let id = format!("{short}-{deed}");
            let told = within(&world, &tenant(&[&id]), "minijinja", "{{ f(a) }}").await;
            match told {
                Err(RenderError::Execution(error)) => {
                    assert!(
                        error.message.contains(&format!("plugin {id} 1.0.0 failed")),
                        "{error}"
                    );
                    assert_eq!(error.line, Some(1), "{error}");
                }
                Err(RenderError::Limit(_)) => {
                    assert!(deed.ends_with("loop") || *deed == "fills", "{id}");
                }
                other => panic!("{id}: {other:?}"),
            }
        }
        for short in ["e", "r"] {
            let id = format!("{short}-{deed}");
            let told = within(&world, &tenant(&[&id]), &id, "x").await;
            let error = told.expect_err(&id);
            let known = matches!(
                error,
                RenderError::Plugin(_) | RenderError::Limit(_) | RenderError::Execution(_)
            );
            assert!(known, "{id}: {error:?}");
            if let RenderError::Plugin(failure) = error {
                assert!(failure.to_string().starts_with(&format!("plugin {id} 1.0.0 failed: ")));
            }
        }
    }
    let rendered = world.render(&tenant(&["honest"]), "minijinja", "{{ f(a)|tojson }}").await;
    assert_eq!(rendered, Ok("null".to_owned()));
    assert_eq!(world.render(&tenant(&["plain"]), "plain", "x").await, Ok(String::new()));
}

/// After three failures in a row a plugin is not asked for a while: for that organization, and no other.
#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_fails_three_times_in_a_row_is_benched() {
    let world = World::with(&[
        Wat::hook("bad").body("after-render", "unreachable"),
        Wat::engine("worse").body("render", "unreachable"),
        Wat::filters("worst").body("call", "unreachable"),
    ])
    .await;
    let victim = tenant(&["bad", "worse", "worst"]);
    for _ in 0..3 {
        let told = failure(world.after(&victim, "text").await.unwrap_err());
        assert!(told.contains("it crashed"), "{told}");
        assert!(world.render(&victim, "worse", "x").await.is_err());
        assert!(world.render(&victim, "minijinja", "{{ f(a) }}").await.is_err());
    }
    let told = failure(world.after(&victim, "text").await.unwrap_err());
    assert!(told.contains("is not asked for a minute"), "{told}");
    let told = world.render(&victim, "worse", "x").await.unwrap_err().to_string();
    assert!(told.contains("is not asked for a minute"), "{told}");
    let told = world.render(&victim, "minijinja", "{{ f(a) }}").await.unwrap_err().to_string();
    assert!(told.contains("is not asked for a minute"), "{told}");
    let benched: Vec<_> = world.plugins.benched();
    let benched: Vec<_> = benched.iter().map(|of| (of.plugin.as_str(), of.organizations)).collect();
    assert_eq!(benched, [("bad", 1), ("worse", 1), ("worst", 1)]);
    let other = failure(world.after(&tenant(&["bad"]), "text").await.unwrap_err());
    assert!(other.contains("it crashed"), "{other}");
}

/// Who says that a failure is to be passed over gets the text.
#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_passed_over_where_that_was_decided() {
    let world = World::with(&[Wat::hook("bad").body("after-render", "unreachable")]).await;
    let lenient = decided(&["bad"], OnFailure::Pass, None);
    for _ in 0..5 {
        assert_eq!(world.after(&lenient, "text").await, Ok("text".to_owned()));
    }
}

/// Which of two ends first, where there is one thread for both.
async fn first<T, U>(one: impl Future<Output = T>, other: impl Future<Output = U>) -> &'static str {
    let (mut one, mut other) = (pin!(one), pin!(other));
    let first = tokio::select! {
        biased;
        _ = &mut one => "one",
        _ = &mut other => "other",
    };
    if first == "one" {
        drop(other.await)
    } else {
        drop(one.await)
    }
    first
}

/// A hook that runs long does not hold up the threads that short ones run on.
#[tokio::test]
async fn a_long_hook_gives_way() {
    let world = World::with(&[
        Wat::hook("slow").body("after-render", "(loop $l (br $l)) unreachable"),
        Wat::hook("quick"),
    ])
    .await;
    let (slow, quick) = (tenant(&["slow"]), tenant(&["quick"]));
    let won = first(world.after(&slow, "text"), world.after(&quick, "text")).await;
    assert_eq!(won, "other");
}

/// What calls out all the time is never stopped by its slices of fuel: the calls themselves are paid for, and give way.
#[tokio::test]
async fn calls_out_cost_fuel_and_give_way() {
    let calls =
        r#"(import "px0:plugin/functions@0.1.0" "call" (func $call (param i32 i32 i32 i32 i32)))"#;
    let endless = "(loop $l (call $call (i32.const 0) (i32.const 1000000) (i32.const 0) (i32.const 0) (i32.const 1024)) (br $l)) unreachable";
    let log = "(loop $l (call $log (i32.const 2) (i32.const 65536) (i32.const 900000)) (br $l)) unreachable";
    let large = "(memory (export \"memory\") 20)";
    let plugins = [
        Wat::engine("caller").import(calls).memory(large).body("render", endless),
        Wat::hook("talker").wants(&["log"]).memory(large).body("after-render", log),
        Wat::filters("lender"),
        Wat::hook("quick"),
    ];
    let grant = |settings: &mut PluginSettings| {
        settings.grant = ["talker:log".to_owned().try_into().unwrap()].into();
    };
    let world = World::set_up(&plugins, grant).await;
    let (all, quick) = (tenant(&["caller", "talker", "lender"]), tenant(&["quick"]));
    let caller = world.render(&all, "caller", "x").await;
    assert_eq!(caller, Err(RenderError::Limit(Limit::Fuel)));
    let told = failure(world.after(&all, "text").await.unwrap_err());
    assert!(told.contains("it used up its instructions"), "{told}");
    let won = first(world.render(&all, "caller", "x"), world.after(&quick, "text")).await;
    assert_eq!(won, "other");
    // Where nothing is lent, too.
    let alone = tenant(&["caller"]);
    let won = first(world.render(&alone, "caller", "x"), world.after(&quick, "text")).await;
    assert_eq!(won, "other");
    assert_eq!(world.render(&alone, "caller", "x").await, Err(RenderError::Limit(Limit::Fuel)));
    let won = first(world.after(&all, "text"), world.after(&quick, "text")).await;
    assert_eq!(won, "other");
    // An honest template that calls an honest function all the time pays, too.
    let source = "{% for i in range(5000) %}{{ f(a) }}{% endfor %}";
    let template = first(world.render(&all, "minijinja", source), world.after(&quick, "text"));
    assert_eq!(template.await, "other");
    let rendered = world.render(&all, "minijinja", source).await;
    assert_eq!(rendered, Err(RenderError::Limit(Limit::Fuel)));
}

/// Whether a hook that is not there would have let something pass is not known.
#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_is_not_installed_any_more_fails() {
    let world = World::with(&[Wat::hook("gone"), Wat::hook("here")]).await;
    let (refusing, lenient) =
        (tenant(&["gone", "here"]), decided(&["gone"], OnFailure::Pass, None));
    assert_eq!(world.after(&refusing, "text").await, Ok("text".to_owned()));
    std::fs::remove_dir_all(world.folder.path().join("gone")).unwrap();
    world.plugins.reload().unwrap();
    assert!(world.plugins.asks(&refusing, Point::BeforeRender));
    let told = failure(world.after(&refusing, "text").await.unwrap_err());
    assert!(told.starts_with("plugin gone failed: it is not installed any more"), "{told}");
    assert!(world.before(&refusing).await.is_err() && world.promote(&refusing).await.is_err());
    assert_eq!(world.after(&lenient, "text").await, Ok("text".to_owned()));
    assert_eq!(world.after(&tenant(&["here"]), "text").await, Ok("text".to_owned()));
}
