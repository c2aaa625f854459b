//! `px0 user` and `px0 org`: the program itself, while px0 runs and while it does not.

use std::{
    io::{Read as _, Write as _},
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    path::Path,
    process::{Output, Stdio},
};

use px0_tests::{
    Client,
    postgres::Database,
    process::{Server, Variables, postgres, run, run_with_input, said, sled},
};
use serde_json::{Value, json};

const OLD: &str = "Old-passw0rd";
const NEW: &str = "New-passw0rd";

/// A server whose people have to prove their addresses, with all that it can log in a file.
async fn start(store: Variables<'_>, log: &Path) -> Server {
    let log = std::fs::File::options().append(true).create(true).open(log).unwrap();
    Server::start_with(store, move |command| {
        command
            .env("PX0_EMAIL__MODE", "log")
            .env("PX0_LOG__FILTER", "trace")
            .env("PX0_TELEMETRY__ADDR", "")
            .stderr(Stdio::from(log));
    })
    .await
}

#[track_caller]
fn printed(output: &Output) -> String {
    said(output, true);
    String::from_utf8(output.stdout.clone()).unwrap()
}

async fn login(base: &str, name: &str, password: &str) -> px0_tests::Answer {
    let credentials = json!({ "email": format!("{name}@example.com"), "password": password });
    Client::at(base).post("/v1/auth/login", credentials).await
}

/// Makes people and organizations; answers Ada's password.
async fn make(store: Variables<'_>) -> String {
    let arguments = ["user", "create", "Ada@Example.com", "--generate-password"];
    let told = printed(&run(&arguments, store).await);
    let (first, second) = told.trim_end().split_once('\n').unwrap();
    assert!(
        first.starts_with(
            "ada@example.com has an account, with the role admin in \"ada's organization\" ("
        ),
        "{first}"
    );
    let password = second.strip_prefix("password: ").unwrap().to_owned();
    let again = said(&run(&arguments, store).await, false);
    assert_eq!(again, "px0: ada@example.com has an account already\n");

    let bob = ["user", "create", "bob@example.com", "--org", "ada's organization"];
    let bob = [&bob[..], &["--role", "viewer", "--password-stdin", "--json"]].concat();
    let made = printed(&run_with_input(&bob, store, &format!("{OLD}\n")).await);
    let made: Value = serde_json::from_str(&made).unwrap();
    assert_eq!(made["user"]["email"], "bob@example.com");
    assert_eq!(made["user"]["is_verified"], true);
    assert_eq!(made["user"]["is_admin"], false);
    assert_eq!((&made["role"], &made["password"]), (&json!("viewer"), &Value::Null));
    let id = made["org"]["id"].as_str().unwrap();
    let eve = ["user", "create", "eve@example.com", "--org", id, "--password-stdin"];
    let told = printed(&run_with_input(&eve, store, OLD).await);
    assert!(told.contains("with the role editor in"), "{told}");

    let arguments = ["org", "create", "Acme", "--owner", "bob@example.com"];
    let told = printed(&run(&arguments, store).await);
    assert!(
        told.starts_with("\"Acme\" (") && told.ends_with("bob@example.com runs it\n"),
        "{told}"
    );
    let again = said(&run(&arguments, store).await, false);
    let taken = "px0: bob@example.com is in an organization named \"Acme\" already\n";
    assert_eq!(again, taken);

    let told = printed(&run(&["user", "list"], store).await);
    let columns: Vec<Vec<_>> =
        told.lines().map(|line| line.split_whitespace().skip(2).collect()).collect();
    assert_eq!(
        columns,
        [
            ["VERIFIED", "ADMIN", "EMAIL"],
            ["yes", "yes", "ada@example.com"],
            ["yes", "no", "bob@example.com"],
            ["yes", "no", "eve@example.com"],
        ]
    );
    let told = printed(&run(&["user", "list", "--json"], store).await);
    let users: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(users.len(), 3);
    assert_eq!(users[1], made["user"]);
    password
}

/// What a server shows of those people.
async fn look(base: &str, ada: &str) {
    let session = login(base, "ada", ada).await.expect(200);
    assert_eq!(session["user"]["is_admin"], true);
    let ada = Client::at(base).with_token(session["token"].as_str().unwrap());
    let orgs = ada.get("/v1/me/orgs").await.expect(200).body;
    assert_eq!(orgs["organizations"][0]["name"], "ada's organization");
    assert_eq!(orgs["organizations"][0]["role"], "ADMIN");
    ada.post("/v1/orgs", json!({ "name": "Another" })).await.expect(201);

    let session = login(base, "bob", OLD).await.expect(200);
    let bob = Client::at(base).with_token(session["token"].as_str().unwrap());
    let teams = bob.get("/v1/me/teams").await.expect(200).body;
    let roles: Vec<_> =
        teams["teams"].as_array().unwrap().iter().map(|team| &team["role"]).collect();
    assert_eq!(roles.len(), 2);
    assert!(roles.contains(&&json!("viewer")) && roles.contains(&&json!("admin")), "{roles:?}");
    let orgs = bob.get("/v1/me/orgs").await.expect(200).body;
    assert_eq!(orgs["organizations"][0]["name"], "Acme");
    bob.post("/v1/orgs", json!({ "name": "Mine" })).await.expect(403);
}

/// Somebody who forgot their password, and never got the mail that verifies them.
async fn resets(store: Variables<'_>, log: &Path, running: bool) {
    let server = start(store, log).await;
    let session = login(&server.base, "bob", OLD).await.expect(200);
    let token = session["token"].as_str().unwrap().to_owned();
    let carl = json!({ "email": "carl@example.com", "password": OLD });
    Client::at(&server.base).post("/v1/auth/register", carl).await.expect(201);
    login(&server.base, "carl", OLD).await.expect(403);
    let server = if running {
        Some(server)
    } else {
        server.stop().await;
        None
    };

    let arguments = ["user", "reset-password", "bob@example.com", "--password-stdin"];
    let told = printed(&run_with_input(&arguments, store, NEW).await);
    assert_eq!(told, "bob@example.com has a new password; all their sessions ended\n");
    let arguments = ["user", "reset-password", "carl@example.com", "--generate-password", "--json"];
    let told: Value = serde_json::from_str(&printed(&run(&arguments, store).await)).unwrap();
    assert_eq!(told["user"]["is_verified"], true);
    let nobody = ["user", "reset-password", "nobody@example.com", "--generate-password"];
    let refused = run(&nobody, store).await;
    assert_eq!(said(&refused, false), "px0: nobody has the address nobody@example.com\n");
    assert_eq!(refused.stdout, b"", "no password is printed that nobody has");

    let server = match server {
        Some(server) => server,
        None => start(store, log).await,
    };
    Client::at(&server.base).with_token(&token).get("/v1/auth/me").await.expect(401);
    login(&server.base, "bob", OLD).await.expect(401);
    login(&server.base, "bob", NEW).await.expect(200);
    login(&server.base, "carl", told["password"].as_str().unwrap()).await.expect(200);
    server.stop().await;
}

async fn works(store: Variables<'_>, running: bool) {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let server = if running { Some(start(store, &log).await) } else { None };
    let ada = make(store).await;
    let server = match server {
        Some(server) => server,
        None => start(store, &log).await,
    };
    look(&server.base, &ada).await;
    server.stop().await;
    resets(store, &log, running).await;
    let logged = std::fs::read_to_string(&log).unwrap();
    assert!(logged.contains("carl@example.com"), "the log is there");
    for secret in [ada.as_str(), OLD, NEW, "argon2id$"] {
        assert!(!logged.contains(secret), "the log has {secret}");
    }
    said(&run(&["fsck"], store).await, true);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_made_through_a_px0_that_runs() {
    let folder = tempfile::tempdir().unwrap();
    works(&sled(&folder.path().join("data")), true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_made_before_the_first_start() {
    let folder = tempfile::tempdir().unwrap();
    works(&sled(&folder.path().join("data")), false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_made_on_postgres_whether_px0_runs_or_not() {
    if Database::missing().is_some() {
        return;
    }
    for running in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::take().await;
        // px0 also keeps compiled code in the data folder.
        let mut store = sled(&folder.path().join("data"));
        store.extend(postgres(&database));
        works(&store, running).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_is_named_without_doubt() {
    let folder = tempfile::tempdir().unwrap();
    let store = sled(&folder.path().join("data"));
    for name in ["one", "two"] {
        let email = format!("{name}@example.com");
        printed(&run(&["user", "create", &email, "--generate-password"], &store).await);
        printed(&run(&["org", "create", "Twin", "--owner", &email], &store).await);
    }
    let join = async |org: &str| {
        let arguments = ["user", "create", "x@example.com", "--org", org, "--generate-password"];
        said(&run(&arguments, &store).await, false)
    };
    let told = join("Twin").await;
    let (_, ids) = told.split_once("give the id of one: ").unwrap();
    let ids: Vec<_> = ids.trim().split(", ").collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(join("twin").await, "px0: there is no organization named \"twin\"\n");
    let nowhere = uuid::Uuid::now_v7().to_string();
    let told = join(&nowhere).await;
    assert_eq!(told, format!("px0: there is no organization with the id {nowhere}\n"));
    let arguments = ["user", "create", "x@example.com", "--org", ids[1], "--generate-password"];
    printed(&run(&arguments, &store).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_said_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let store = sled(&folder.path().join("data"));
    let create = ["user", "create", "ada@example.com"];
    let told = said(&run(&create, &store).await, false);
    assert!(told.contains("--password-stdin") && told.contains("--generate-password"), "{told}");
    let stdin = [&create[..], &["--password-stdin"]].concat();
    let told = said(&run_with_input(&stdin, &store, "short\n").await, false);
    assert_eq!(
        told,
        "px0: password needs at least 8 characters, an upper-case letter, a digit, a special character\n"
    );
    for (arguments, what) in [
        (&["user", "create", "ada", "--generate-password"][..], "name@example.com"),
        (&["user", "create", "a@b.c", "--role", "admin", "--generate-password"], "--org"),
        (&["user", "create", "a@b.c", "--org", " ", "--generate-password"], "1 to 100 characters"),
        (&["org", "create", "", "--owner", "a@b.c"], "1 to 100 characters"),
        (&["user", "create", "a@b.c", "--password", "x"], "unexpected argument"),
    ] {
        let output = run(arguments, &store).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let told = said(&output, false);
        assert!(told.contains(what), "{told}");
    }
    assert!(!folder.path().join("data").exists(), "nothing was made");
    for arguments in [
        &["user", "list"][..],
        &["user", "reset-password", "ada@example.com", "--generate-password"],
        &["user", "create", "ada@example.com", "--org", "Acme", "--generate-password"],
        &["org", "create", "Acme", "--owner", "ada@example.com"],
    ] {
        let told = said(&run(arguments, &store).await, false);
        assert!(told.contains("there is no store at"), "{told}");
    }
    let memory = [("PX0_STORE__BACKEND", "memory".to_owned())];
    let told = said(&run(&["user", "list"], &memory).await, false);
    assert!(told.contains("store.backend"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_control_socket_is_its_owners_and_takes_one_short_line() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&sled(&data)).await;
    let socket = data.join("control");
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let ask = move |line: &[u8]| {
        let mut stream = UnixStream::connect(&socket).unwrap();
        // It may have answered and gone before all was sent.
        let _ = stream.write_all(line);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    };
    let endless = vec![b'x'; 1024 * 1024];
    let nested = format!("{{\"create_user\":{}\n", "[".repeat(10_000));
    let unhashed = r#"{"reset_password":{"email":"a@b.c","password_hash":"Passw0rd!"}}"#;
    for line in [
        b"nonsense\n".as_slice(),
        b"\n",
        b"",
        b"list_users",
        b"\xff\n",
        b"{}\n",
        b"{\"create_user\":{}}\n",
        nested.as_bytes(),
        endless.as_slice(),
        format!("{unhashed}\n").as_bytes(),
    ] {
        let answer = ask(line);
        let shown = String::from_utf8_lossy(&line[..line.len().min(80)]).into_owned();
        assert!(!answer.contains("checked") && !answer.contains('@'), "{shown}: {answer}");
    }
    assert_eq!(
        ask(b"nonsense\n"),
        "error: the running px0 knows no such request; is it of another version?\n"
    );
    assert_eq!(ask(b"list_users\n"), "checked\n");
    assert_eq!(ask(b"fsck\n"), "checked\n");
    server.stop().await;
}
