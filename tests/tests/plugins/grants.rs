//! Nothing is had that was not both wanted and granted.

use px0_core::plugin::Host;
use px0_plugins::PluginSettings;
use px0_tests::plugin::Wat;

use crate::world::{World, load, tenant};

/// Keeps the byte at 6144 under the key `k`, and then reads it.
const KEEPS: &str =
    "(call $set (i32.const 6144) (i32.const 1) (i32.const 6144) (i32.const 1) (i32.const 6200))
    (call $get (i32.const 6144) (i32.const 1) (i32.const 6216))
    (if (i32.ne (i32.load8_u (i32.const 6200)) (i32.const 0)) (then unreachable))
    i32.const 1024";

fn keeper() -> Wat {
    Wat::hook("keeper")
        .wants(&["kv"])
        .line(r#"(data (i32.const 6144) "k")"#)
        .body("after-render", KEEPS)
}

fn granted(grants: &[&str]) -> impl FnOnce(&mut PluginSettings) {
    let grants = grants.iter().map(|text| (*text).to_owned().try_into().unwrap()).collect();
    move |settings| settings.grant = grants
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_imported_must_be_wanted_and_granted() {
    let folder = tempfile::tempdir().unwrap();
    keeper().install(folder.path());
    let settings =
        PluginSettings { path: Some(folder.path().to_owned()), ..PluginSettings::default() };
    let told = load(settings.clone()).map(drop).unwrap_err().to_string();
    assert!(told.contains("it wants kv, which it was not granted"), "{told}");
    let mut settings = settings;
    granted(&["keeper:log"])(&mut settings);
    assert!(load(settings.clone()).is_err(), "something else was granted");
    granted(&["keeper:kv"])(&mut settings);
    let plugins = load(settings.clone()).unwrap();
    let keeper_of = plugins.installed().into_iter().find(|one| one.id.as_str() == "keeper");
    assert_eq!(keeper_of.unwrap().granted.len(), 1);
    let modest = folder.path().join("keeper/plugin.toml");
    let text = std::fs::read_to_string(&modest).unwrap().replace("[\"kv\"]", "[]");
    std::fs::write(&modest, text).unwrap();
    let told = load(settings).map(drop).unwrap_err().to_string();
    assert!(told.contains("its plugin.toml does not say so: wants = [\"kv\"]"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_without_the_organization_is_an_error_that_the_hook_sees() {
    // The store of this world has no organizations, so nothing can be kept: the hook crashes on purpose.
    let world = World::set_up(&[keeper()], granted(&["keeper:kv"])).await;
    let told = world.after(&tenant(&["keeper"]), "text").await.unwrap_err().to_string();
    assert!(told.contains("plugin keeper 1.0.0 failed: it crashed"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_plugin_logs_is_no_reason_to_stop_it() {
    let chatty = Wat::hook("chatty").wants(&["log"]).body(
        "after-render",
        "(call $log (i32.const 2) (i32.const 1024) (i32.const 5000)) i32.const 1024",
    );
    let world = World::set_up(&[chatty], granted(&["chatty:log"])).await;
    assert_eq!(world.after(&tenant(&["chatty"]), "text").await, Ok("text".to_owned()));
}
