//! What px0 tells who runs it: at its start, in its log, and when it cannot do what it was told to.

use std::{
    fs::File,
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use px0_tests::{
    Client, PASSWORD,
    process::{Server, run, said, sled},
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// What it needs for a start that does not fail by itself.
fn settings(folder: &TempDir, more: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    let mut all = sled(&folder.path().join("data"));
    all.push(("PX0_HTTP__ADDR", "127.0.0.1:0".to_owned()));
    all.push(("PX0_TELEMETRY__ADDR", String::new()));
    all.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
    all
}

/// What it says when it does not start.
async fn told(folder: &TempDir, more: &[(&'static str, &str)]) -> String {
    let pretty = [&[("PX0_LOG__FORMAT", "pretty")], more].concat();
    let settings = settings(folder, &pretty);
    let run = tokio::time::timeout(Duration::from_secs(60), run(&["serve"], &settings));
    said(&run.await.unwrap_or_else(|_| panic!("it started: {more:?}")), false)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_on_one_machine_are_told_which_setting_to_change() {
    let folder = tempfile::tempdir().unwrap();
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = holder.local_addr().unwrap().to_string();
    for (name, key, instead) in [
        ("PX0_HTTP__ADDR", "http.addr", ""),
        ("PX0_TELEMETRY__ADDR", "telemetry.addr", ", or to nothing to serve no metrics"),
    ] {
        assert_eq!(
            told(&folder, &[(name, &addr)]).await,
            format!(
                "px0: cannot listen on {addr}: another program listens there, perhaps another px0; \
                 stop that one, or set {key} ({name}) to another address{instead}\n"
            )
        );
    }
    drop(holder);
    let said = told(&folder, &[("PX0_HTTP__ADDR", "no-such-host.invalid:80")]).await;
    assert_eq!(
        said,
        "px0: cannot listen on no-such-host.invalid:80: no address is known by this name; \
         set http.addr (PX0_HTTP__ADDR) to another address\n"
    );
    let said = told(&folder, &[("PX0_HTTP__ADDR", "192.0.2.1:80")]).await;
    assert!(said.contains("this machine has no such address; set http.addr"), "{said}");

    let running = Server::start(&sled(&folder.path().join("data"))).await;
    let said = told(&folder, &[]).await;
    let data = folder.path().join("data");
    assert_eq!(
        said,
        format!(
            "px0: cannot open the store: data folder {}: is in use by another px0; stop that one, \
             or set store.sled.path (PX0_STORE__SLED__PATH) to another folder\n",
            data.display()
        )
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_listened_on() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_with(&sled(&folder.path().join("data")), |command| {
        command
            .env("PX0_HTTP__ADDR", "localhost:0")
            .env("PX0_TELEMETRY__ADDR", "localhost:0")
            .stderr(Stdio::null());
    })
    .await;
    // A name that has both has an IPv4 address here.
    assert!(server.base.starts_with("http://127.0.0.1:"), "{}", server.base);
    assert!(server.metrics.as_ref().unwrap().starts_with("http://127.0.0.1:"));
    Client::at(&server.base).get("/v1/health").await.expect(200);
    server.stop().await;
}

/// What px0 prints at its start, and what it logs, when its log looks like this.
async fn printed(folder: &TempDir, format: &str) -> (String, String) {
    let (out, err) = (folder.path().join("out"), folder.path().join("err"));
    let mut command = Command::new(px0_tests::process::px0());
    command
        .envs(settings(folder, &[("PX0_LOG__FORMAT", format)]))
        .stdout(File::create(&out).unwrap())
        .stderr(File::create(&err).unwrap());
    let mut child = command.spawn().unwrap();
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    let ends = if format == "json" { "}\n" } else { "metrics are not served\n" };
    while !read(&out).ends_with(ends) {
        assert!(child.try_wait().unwrap().is_none(), "{}", read(&err));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    (read(&out), read(&err))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_of_a_start_are_json_where_the_log_is() {
    let folder = tempfile::tempdir().unwrap();
    let (out, _) = printed(&folder, "json").await;
    let line: Value = serde_json::from_str(&out).expect("one line of JSON");
    let fields: Vec<_> = line.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        fields,
        [
            "timestamp",
            "level",
            "message",
            "target",
            "version",
            "url",
            "store",
            "engines",
            "metrics"
        ]
    );
    let (version, url) = (env!("CARGO_PKG_VERSION"), line["url"].as_str().unwrap());
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    assert_eq!(line["message"], format!("px0 {version} listens on {url}"));
    assert_eq!((&line["level"], &line["target"]), (&json!("INFO"), &json!("px0")));
    assert_eq!(line["engines"], json!(["gotemplate", "minijinja"]));
    assert_eq!(line["metrics"], Value::Null);

    let (out, _) = printed(&folder, "pretty").await;
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines.len(), 4, "{out}");
    assert!(lines[0].starts_with(&format!("px0 {version} listens on http://127.0.0.1:")), "{out}");

    // And so is the last line of all.
    let variables = [("PX0_LOG__FORMAT", "json"), ("PX0_HTTP__ADDR", "no-such-host.invalid:80")];
    let output = run(&["serve"], &settings(&folder, &variables)).await;
    let said = said(&output, false);
    let line: Value = serde_json::from_str(said.lines().last().unwrap()).expect("a line of JSON");
    assert_eq!(line["level"], "ERROR");
    let message = line["message"].as_str().unwrap();
    assert!(message.contains("no address is known by this name"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_is_mailed_to_the_log_is_there_at_any_filter() {
    for (format, filter) in [("json", "off"), ("json", "error"), ("pretty", "px0::access=warn")] {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let file = File::create(&log).unwrap();
        let read = || std::fs::read_to_string(&log).unwrap();
        let server = Server::start_with(&sled(&folder.path().join("data")), move |command| {
            command
                .env("PX0_EMAIL__MODE", "log")
                .env("PX0_LOG__FILTER", filter)
                .env("PX0_TELEMETRY__ADDR", "")
                .stderr(file);
            if format == "json" {
                command.env("PX0_LOG__FORMAT", "json");
            }
        })
        .await;
        let nobody = Client::at(&server.base);
        let ada = json!({ "email": "ada@example.com", "password": PASSWORD });
        nobody.post("/v1/auth/register", ada.clone()).await.expect(201);
        let code = loop {
            let line =
                read().lines().find(|line| line.contains("ada@example.com")).map(str::to_owned);
            if let Some(line) = line {
                let digits =
                    |word: &&str| word.len() == 6 && word.bytes().all(|b| b.is_ascii_digit());
                break line.split(|c: char| !c.is_ascii_digit()).rfind(digits).unwrap().to_owned();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let proof = json!({ "email": "ada@example.com", "code": code });
        nobody.post("/v1/auth/verify-email", proof).await.expect(200);
        nobody.post("/v1/auth/login", ada).await.expect(200);
        server.stop().await;
        // Nothing else is.
        assert_eq!(read().lines().count(), 1, "{filter}: {}", read());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_or_an_origin_that_is_none_ends_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let said = told(&folder, &[("PX0_LOG__FILTER", "loud")]).await;
    assert!(
        said.starts_with("px0: invalid value for `log.filter`: `loud` is no level; "),
        "{said}"
    );
    let said = told(&folder, &[("PX0_HTTP__CORS_ORIGINS", "[\"*\"]")]).await;
    assert!(said.starts_with("px0: invalid value for `http.cors_origins`: `*` is "), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dash_is_standard_output() {
    let folder = tempfile::tempdir().unwrap();
    let store = sled(&folder.path().join("data"));
    Server::start(&store).await.stop().await;
    let here = tempfile::tempdir().unwrap();
    let export = |file: Option<&'static str>| {
        let mut command = Command::new(px0_tests::process::px0());
        command.arg("export").args(file).current_dir(here.path());
        let output =
            command.envs(store.iter().map(|(name, value)| (*name, value))).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // The manifest says when it was made.
        let text = String::from_utf8(output.stdout).unwrap();
        text.split_once('\n').unwrap().1.to_owned()
    };
    let plain = export(None);
    assert!(plain.contains("sha256"), "{plain}");
    assert_eq!(export(Some("-")), plain);
    assert_eq!(std::fs::read_dir(here.path()).unwrap().count(), 0, "there is no file of that name");
}

/// No word of a message is about the inside of px0 or of what it is made of.
#[tokio::test(flavor = "multi_thread")]
async fn messages_are_in_words_of_the_operator() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("px0.toml");
    std::fs::write(&file, "[http]\nmax_body = \"x\"\n").unwrap();
    let archive = folder.path().join("archive");
    std::fs::write(&archive, "{\"px0_archive\":1,\"made_at\":\"x\"}\n").unwrap();
    std::fs::create_dir(folder.path().join("plugin")).unwrap();
    std::fs::write(folder.path().join("plugin/plugin.toml"), "id = 1\n").unwrap();
    let path = |path: &Path| path.display().to_string();
    let postgres = |url: &'static str| {
        vec![("PX0_STORE__BACKEND", "postgres"), ("PX0_STORE__POSTGRES__URL", url)]
    };
    let mut all = Vec::new();
    for more in [
        vec![("PX0_HTTP__ADDR", "x")],
        vec![("PX0_EMAIL__SMTP__PORT", "x")],
        vec![("PX0_RATE_LIMIT__LOGINS_PER_MINUTE", "0")],
        vec![("PX0_STORE__SLED__PATH", "/dev/null/x")],
        vec![("PX0_STORE__SLED__PATH", "/proc/x")],
        vec![("PX0_PLUGINS__PATH", "/nowhere")],
        vec![("PX0_PLUGINS__ENABLED", "[\"No\"]")],
        vec![("PX0_PLUGINS__ENABLED", "[1]")],
        vec![("PX0_RENDER__DEFAULT_ENGINE", "ghost")],
        vec![("PX0_RENDER__MEMORY", "1")],
        vec![("PX0_RENDER__ISOLATION", "x")],
        vec![("PX0_EMAIL__MODE", "smtp"), ("PX0_EMAIL__FROM", "x")],
        vec![("PX0_EMAIL__MODE", "smtp"), ("PX0_EMAIL__SMTP__HOST", "a b")],
        vec![("PX0_EMAIL__MODE", "file"), ("PX0_EMAIL__OUTBOX", "/dev/null/x")],
        postgres(""),
        postgres("mysql://hunter2@db"),
        postgres("postgres://px0:hunter2@127.0.0.1:x/px0"),
        postgres("postgres://px0:hunter2@127.0.0.1:1/px0"),
        postgres("postgres://px0:hunter2@127.0.0.1:1/px0?sslmode=hunter2"),
        postgres("postgres://px0:hunter2@no-such-host.invalid/px0"),
        vec![("PX0_CONFIG", "/nowhere")],
    ] {
        all.push((format!("{more:?}"), told(&folder, &more).await));
    }
    for arguments in [
        vec!["--config".to_owned(), path(&file)],
        vec!["import".to_owned(), path(&archive)],
        vec!["import".to_owned(), "/nowhere".to_owned()],
        vec!["import".to_owned(), "-".to_owned()],
        vec!["export".to_owned(), path(folder.path())],
        vec!["export".to_owned(), "/nowhere/x".to_owned()],
        vec!["plugin".to_owned(), "check".to_owned(), "/nowhere".to_owned()],
        vec!["plugin".to_owned(), "check".to_owned(), path(&folder.path().join("plugin"))],
        vec!["plugin".to_owned(), "add".to_owned(), "/nowhere".to_owned()],
        vec!["plugin".to_owned(), "remove".to_owned(), "No".to_owned()],
    ] {
        let text: Vec<_> = arguments.iter().map(String::as_str).collect();
        let output = run(&text, &settings(&folder, &[])).await;
        all.push((format!("{text:?}"), said(&output, false)));
    }
    for (what, said) in all {
        // An address, and no path of Rust.
        let said = said.replace("[::1]", "");
        assert!(said.starts_with("px0: ") && said.len() > 20, "{what}: {said}");
        for inside in [
            "Os {",
            "Some(",
            "None",
            "Error(",
            "::",
            "u16",
            "u32",
            "usize",
            "nonzero",
            "struct ",
            "invalid type",
            "\\\"",
            ".rs",
            " at line ",
            "panicked",
            "default.",
            "hunter2",
            "TOML parse error",
        ] {
            assert!(!said.contains(inside), "{what}: `{inside}` in {said}");
        }
        assert!(!said.contains('"') || said.contains("`["), "{what}: quotes in {said}");
    }
}
