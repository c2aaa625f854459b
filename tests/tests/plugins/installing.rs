//! What can be installed, and what is refused with a word on why.

use std::{
    fs, os::unix::fs::symlink, path::Path, process::Command, sync::mpsc, thread, time::Duration,
};

use px0_core::{
    plugin::{Host, Kind, PluginId},
    render::EngineName,
};
use px0_plugins::{PluginSettings, install, scaffold};
use px0_tests::plugin::{Wat, encode, install as put};
use tempfile::TempDir;

use crate::world::{World, load, tenant};

fn settings(folder: &TempDir) -> PluginSettings {
    PluginSettings { path: Some(folder.path().to_owned()), ..PluginSettings::default() }
}

/// What is told of a folder with one plugin that cannot be loaded.
async fn told(name: &str, prepare: impl FnOnce(&TempDir)) -> String {
    let folder = tempfile::tempdir().unwrap();
    prepare(&folder);
    match load(settings(&folder)) {
        Ok(_) => panic!("{name}: it was loaded"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn what_cannot_be_loaded_is_refused_with_the_reason() {
    let hook =
        "id = \"a\"\nversion = \"1.0.0\"\napi = \"0.1.0\"\nkind = \"hook\"\nsha256 = \"SHA\"\n";
    let plain = Wat::hook("a").component();
    let future = {
        let wit = tempfile::tempdir().unwrap();
        let text = fs::read_to_string(px0_tests::plugin::wit().join("plugin.wit")).unwrap();
        let file = wit.path().join("plugin.wit");
        fs::write(&file, text.replace("px0:plugin@0.1.0", "px0:plugin@0.9.0")).unwrap();
        let text = Wat::hook("a").text_for("0.9.0");
        encode(&text, wit.path(), "hook-plugin")
    };
    let foreign = {
        let wit = tempfile::tempdir().unwrap();
        let text = fs::read_to_string(px0_tests::plugin::wit().join("plugin.wit")).unwrap();
        let text = text.replace(
            "world hook-plugin {",
            "interface sockets { open: func(); }\nworld hook-plugin {\n    import sockets;",
        );
        fs::write(wit.path().join("plugin.wit"), text).unwrap();
        let import = r#"(import "px0:plugin/sockets@0.1.0" "open" (func $open))"#;
        let text = Wat::hook("a").text_for("0.1.0").replacen(
            "(module\n",
            &format!("(module\n{import}\n"),
            1,
        );
        encode(&text, wit.path(), "hook-plugin")
    };
    let big = Wat::hook("a").memory("(memory (export \"memory\") 2000)").component();
    for (name, why, bytes, text) in [
        ("other bytes", "has the sha256 ", plain.clone(), hook.replace("SHA", "00")),
        ("no checksum", "has no sha256", plain.clone(), hook.replace("sha256 = \"SHA\"\n", "")),
        ("machine code", "machine code", b"\x7fELF and so on".to_vec(), String::new()),
        ("no WebAssembly", "is no WebAssembly", b"<html>".to_vec(), String::new()),
        ("cut off", "it is no component", plain[..plain.len() / 2].to_vec(), String::new()),
        (
            "another kind",
            "does not export px0:plugin/filters",
            plain.clone(),
            hook.replace("hook", "filters"),
        ),
        (
            "another version",
            "its plugin.toml says 0.0.1",
            plain.clone(),
            hook.replace("0.1.0", "0.0.1"),
        ),
        ("the future", "a newer px0 may know it", future, String::new()),
        (
            "foreign imports",
            "imports px0:plugin/sockets@0.1.0, which no plugin",
            foreign,
            String::new(),
        ),
        ("too much memory", "it asked for more memory", big, String::new()),
        (
            "a loop at its start",
            "it used up its instructions",
            Wat::hook("a").line("(func $s (loop $l (br $l)))").line("(start $s)").component(),
            String::new(),
        ),
        (
            "a trap when asked",
            "it crashed",
            Wat::hook("a").body("points", "unreachable").component(),
            String::new(),
        ),
        (
            "a point that is none",
            "broke the rules",
            Wat::hook("a").line(r#"(data (i32.const 2064) "\07")"#).component(),
            String::new(),
        ),
    ] {
        let told = told(name, |folder| {
            put(folder.path(), "a", &bytes, |sha256| {
                if text.is_empty() {
                    hook.replace("SHA", sha256)
                } else {
                    text.replace("SHA", sha256)
                }
            })
        })
        .await;
        assert!(told.contains(why), "{name}: {told}");
        assert!(told.contains("plugin "), "{name}: {told}");
    }
}

#[tokio::test]
async fn an_id_is_taken_once() {
    let twice = told("twice", |folder| {
        let (hook, bytes) = (Wat::hook("a"), Wat::hook("a").component());
        put(folder.path(), "one", &bytes, |sha256| hook.manifest(sha256));
        put(folder.path(), "two", &bytes, |sha256| hook.manifest(sha256));
    });
    assert!(twice.await.contains("its id is taken by another plugin"));
    let ours = told("twice", |folder| Wat::engine("gotemplate").install(folder.path())).await;
    assert!(ours.contains("its id is taken"), "{ours}");
}

#[tokio::test]
async fn settings_name_what_is_there() {
    for (change, why) in [
        (
            (|settings| settings.enabled = [PluginId::parse("ghost").unwrap()].into())
                as fn(&mut PluginSettings),
            "plugins.enabled names ghost, which is not installed",
        ),
        (
            |settings| settings.grant = ["ghost:log".to_owned().try_into().unwrap()].into(),
            "plugins.grant names ghost, which is not installed",
        ),
        (
            |settings| settings.default_engine = EngineName::new("ghost"),
            "render.default_engine names ghost, which is not installed",
        ),
        (
            |settings| settings.path = Some("/nowhere".into()),
            "cannot read /nowhere, which is plugins.path: ",
        ),
        (
            |settings| settings.memory = 1,
            "plugins.memory must be from 2097152 to 1073741824, not 1",
        ),
        (|settings| settings.fuel = 0, "plugins.fuel must be more than 0"),
    ] {
        let mut settings = PluginSettings::default();
        change(&mut settings);
        let told = load(settings).map(drop).unwrap_err().to_string();
        assert!(told.contains(why), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plugins_come_and_go_while_px0_runs() {
    let world = World::with(&[Wat::hook("a").body("after-render", "unreachable")]).await;
    let tenant = tenant(&["a", "b"]);
    assert!(world.after(&tenant, "text").await.is_err());
    Wat::hook("a").install(world.folder.path());
    Wat::hook("b").install(world.folder.path());
    world.plugins.reload().unwrap();
    let ids = |world: &World| {
        let installed = world.plugins.installed().into_iter();
        installed
            .map(|installed| installed.id.to_string())
            .filter(|id| id.len() == 1)
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&world), ["a", "b"]);
    assert_eq!(world.after(&tenant, "text").await, Ok("text".to_owned()));
    // What cannot be loaded changes nothing.
    fs::write(world.folder.path().join("b/plugin.wasm"), b"gone").unwrap();
    assert!(world.plugins.reload().is_err());
    assert_eq!(ids(&world), ["a", "b"]);
    fs::remove_dir_all(world.folder.path().join("b")).unwrap();
    world.plugins.reload().unwrap();
    assert_eq!(ids(&world), ["a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn add_list_and_remove_do_what_they_say() {
    let (plugins, from) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let settings = settings(&plugins);
    let hook = Wat::hook("mine");
    // As an author has it: without a checksum, the component somewhere below.
    fs::create_dir(from.path().join("out")).unwrap();
    fs::write(from.path().join("out/mine.wasm"), hook.component()).unwrap();
    let manifest = hook.manifest("").replace("sha256 = \"\"\n", "component = \"out/mine.wasm\"\n");
    fs::write(from.path().join("plugin.toml"), &manifest).unwrap();
    let added = install::add(from.path(), &settings).unwrap();
    assert!(added.replaced.is_none());
    fs::write(from.path().join("plugin.toml"), manifest.replace("1.0.0", "1.1.0")).unwrap();
    let added = install::add(from.path(), &settings).unwrap();
    assert_eq!(added.replaced.unwrap().to_string(), "1.0.0");
    let listed = install::list(&settings).unwrap();
    let mine: Vec<_> = listed.iter().filter(|listed| !listed.shipped).collect();
    assert_eq!(mine.len(), 1);
    assert_eq!(mine[0].manifest.as_ref().unwrap().version.to_string(), "1.1.0");
    assert_eq!(mine[0].problem, None);
    assert!(listed.iter().any(|listed| listed.shipped && listed.name == "gotemplate"));
    assert!(load(settings.clone()).is_ok());
    fs::write(added.folder.join("plugin.wasm"), b"\0asm changed").unwrap();
    let listed = install::list(&settings).unwrap();
    assert!(
        listed
            .iter()
            .any(|listed| listed.problem.as_ref().is_some_and(|why| why.contains("sha256")))
    );
    let id = PluginId::parse("mine").unwrap();
    assert_eq!(install::remove(&id, &settings).unwrap().unwrap().to_string(), "1.1.0");
    assert!(install::remove(&id, &settings).is_err());

    let broken = plugins.path().join("broken");
    for hidden_too in [&broken, &plugins.path().join(".broken.old")] {
        fs::create_dir(hidden_too).unwrap();
        fs::write(hidden_too.join("plugin.toml"), "id = ").unwrap();
    }
    let listed = install::list(&settings).unwrap();
    let mine: Vec<_> = listed.iter().filter(|listed| !listed.shipped).collect();
    assert_eq!((mine.len(), &*mine[0].name), (1, "broken"));
    assert!(mine[0].problem.as_ref().unwrap().contains("plugin.toml"));
    let id = PluginId::parse("broken").unwrap();
    assert_eq!(install::remove(&id, &settings).unwrap(), None);
    assert!(!broken.exists());
    fs::create_dir(&broken).unwrap();
    fs::write(broken.join("notes.txt"), "mine").unwrap();
    assert!(install::remove(&id, &settings).is_err(), "it is no plugin");
    assert!(broken.exists());
    for copy in ["one", "two"] {
        put(plugins.path(), copy, &hook.component(), |sha256| hook.manifest(sha256));
    }
    let listed = install::list(&settings).unwrap();
    let problems: Vec<_> = listed
        .iter()
        .filter(|listed| listed.name == "mine")
        .map(|listed| listed.problem.as_deref())
        .collect();
    assert_eq!(problems, [None, Some("its id is taken by another plugin")]);
    let id = PluginId::parse("mine").unwrap();
    let told = install::remove(&id, &settings).unwrap_err().to_string();
    assert!(told.contains("remove one of them yourself"), "{told}");
    fs::remove_dir_all(plugins.path().join("two")).unwrap();
    assert!(install::remove(&id, &settings).unwrap().is_some());
    assert!(!plugins.path().join("one").exists());
    fs::remove_dir_all(&broken).unwrap();
    fs::write(from.path().join("plugin.toml"), manifest.replace("\"mine\"", "\"gotemplate\""))
        .unwrap();
    let told = install::add(from.path(), &settings).map(drop).unwrap_err().to_string();
    assert!(told.contains("comes with px0"), "{told}");
    let told =
        install::add(from.path(), &PluginSettings::default()).map(drop).unwrap_err().to_string();
    assert!(told.contains("PX0_PLUGINS__PATH"), "{told}");
}

/// Who took it would have px0 refuse to start.
#[test]
fn ids_that_px0_has_given_away_are_refused() {
    let (folder, from) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let engine = Wat::engine("mine");
    fs::write(from.path().join("plugin.wasm"), engine.component()).unwrap();
    for (id, why) in [
        ("minijinja", "minijinja is the name of the engine that is built in"),
        ("gotemplate", "gotemplate is the id of a plugin that comes with px0"),
        ("json-guard", "json-guard is the id of a plugin that comes with px0"),
        ("redact", "redact is the id of a plugin that comes with px0"),
        ("token-budget", "token-budget is the id of a plugin that comes with px0"),
    ] {
        let manifest = engine.manifest("").replace("sha256 = \"\"", "component = \"plugin.wasm\"");
        let manifest = manifest.replace("\"mine\"", &format!("\"{id}\""));
        fs::write(from.path().join("plugin.toml"), manifest).unwrap();
        let expected = format!("{why}; choose another id");
        let told = install::add(from.path(), &settings(&folder)).map(drop).unwrap_err().to_string();
        assert_eq!(told, expected);
        let id = PluginId::parse(id).unwrap();
        let told = scaffold::create(Kind::Engine, &id, from.path()).unwrap_err().to_string();
        assert_eq!(told, expected);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// A pipe would be waited for, and a device never ends.
#[test]
fn what_is_no_regular_file_is_refused_at_once() {
    let prepare = |what: &'static str, made: &Path| match what {
        "a pipe" => assert!(Command::new("mkfifo").arg(made).status().unwrap().success()),
        "a device" => symlink("/dev/zero", made).unwrap(),
        _ => fs::create_dir(made).unwrap(),
    };
    for what in ["a pipe", "a device", "a folder"] {
        for file in ["plugin.toml", "plugin.wasm"] {
            let (folder, from) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let hook = Wat::hook("mine");
            let manifest =
                hook.manifest("").replace("sha256 = \"\"", "component = \"plugin.wasm\"");
            fs::write(from.path().join("plugin.toml"), manifest).unwrap();
            fs::write(from.path().join("plugin.wasm"), hook.component()).unwrap();
            let made = from.path().join(file);
            fs::remove_file(&made).unwrap();
            prepare(what, &made);
            let (told, tells) = mpsc::channel();
            let (at, settings) = (from.path().to_owned(), settings(&folder));
            thread::spawn(move || {
                let error = install::add(&at, &settings).map(drop).unwrap_err();
                told.send(error.to_string()).unwrap();
            });
            let told = tells.recv_timeout(Duration::from_secs(60));
            let told = told.unwrap_or_else(|_| panic!("{file} is {what}: it is waited for"));
            assert_eq!(told, format!("{} is no regular file", made.display()), "{what}");
        }
    }
}
