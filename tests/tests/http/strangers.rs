//! Those who hold connections, send bodies that never end, or start px0 on a machine that has nothing to spare: nobody else notices.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    process::{Command, Stdio},
    sync::mpsc::RecvTimeoutError,
    time::{Duration, Instant},
};

use px0_tests::{
    Answer, App, Client, Home,
    process::{Server, px0, sled},
};
use reqwest::Method;
use serde_json::{Value, json};

/// An address of this machine that is not the one that everybody else calls from.
const ELSEWHERE: &str = "127.0.0.2";

fn connect(base: &str) -> TcpStream {
    let stream = TcpStream::connect(base.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// Whether the other end has closed the connection.
fn is_closed(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 1]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

/// The head of a POST with a body of `length` bytes.
fn head(path: &str, token: &str, length: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: px0\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n"
    )
}

/// The status and all of an answer after which the connection is closed.
fn answer(stream: &mut TcpStream) -> (u16, String) {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    (text.split(' ').nth(1).unwrap_or_default().parse().unwrap(), text)
}

/// A body for a render, of so many bytes.
fn variables(length: usize) -> String {
    let around = json!({ "variables": { "a": "" } }).to_string().len();
    json!({ "variables": { "a": "x".repeat(length - around) } }).to_string()
}

// The server runs in the same process: it must not wait for what a test waits for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_has_so_many_connections() {
    let app = App::start_with(|settings| settings.http.max_connections_per_address = 3).await;
    let held: Vec<_> = (0..3).map(|_| connect(app.base())).collect();
    assert!(is_closed(&mut connect(app.base())), "a fourth is hung up on");
    Client::from_address(app.base(), ELSEWHERE).get("/v1/health").await.expect(200);
    drop(held);
    // Until the server has noticed that they are gone.
    while app.anonymous().request(Method::GET, "/v1/health").send().await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_do_nothing_make_room_for_others() {
    let app = App::start_with(|settings| settings.http.max_connections = 20).await;
    let mut idle: Vec<_> = (0..20).map(|_| connect(app.base())).collect();
    // Until the last one is accepted.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let honest = Client::from_address(app.base(), ELSEWHERE);
    honest.get("/v1/health").await.expect(200);
    assert!(is_closed(&mut idle[0]), "the one that was idle longest has to go");
    assert!(is_closed(&mut connect(app.base())), "who has most gets no more");
}

/// A px0 whose limit of open files is so low that it cannot be raised.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_connections_that_the_system_allows_do_not_stop_a_write() {
    let folder = tempfile::tempdir().unwrap();
    let store = sled(&folder.path().join("data"));
    let server = Server::start_by("ulimit -n 400; exec \"$0\"", &store).await;
    let idle: Vec<_> = (0..400).map(|_| connect(&server.base)).collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let open = std::fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count();
    assert!((200..400).contains(&open), "{open} of 400 descriptors are in use");
    let honest = Client::from_address(&server.base, ELSEWHERE);
    let ada = Home::found_by(honest, "ada").await;
    for number in 0..50 {
        ada.prompt(&format!("p{number}")).await;
    }
    drop(idle);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_bodies_with_documents_may_be_large() {
    let app = App::start().await;
    let ada = app.founder("ada").await;
    let prompt = ada.prompt("p").await;
    ada.live(&prompt, "{{ a }}").await;
    let large = "x".repeat(16 * 1024);
    let login = json!({ "email": "ada@example.com", "password": large });
    let refused = app.anonymous().post("/v1/auth/login", login).await.expect(413);
    assert_eq!((refused.code(), &refused["details"]["max"]), ("body_too_large", &json!(16 * 1024)));
    let new = json!({ "name": "q", "description": large });
    ada.post(&format!("/v1/teams/{}/prompts", ada.team), new).await.expect(413);
    let render = format!("/v1/prompts/{prompt}/render");
    let whole = json!({ "variables": { "a": "x".repeat(1_000_000) } });
    assert_eq!(
        ada.post(&render, whole.clone()).await.expect(200)["rendered"].as_str().unwrap().len(),
        1_000_000
    );
    let payloads = format!("/v1/prompts/{prompt}/payloads");
    ada.post(&payloads, whole).await.expect(201);
    // Many small values: nothing is made of them before their size is known.
    let values = vec![json!([1, {}]); 200_000];
    let refused = ada.post(&payloads, json!({ "variables": { "a": values } })).await.expect(400);
    assert_eq!((refused.code(), &refused["details"]["max"]), ("too_large", &json!(1_048_576)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_announced_length_is_judged_before_a_byte_of_it_came() {
    let app = App::start().await;
    let ada = app.founder("ada").await;
    let mut stream = connect(app.base());
    let head = head("/v1/prompts/nothing/render", ada.token(), 3_000_000);
    stream.write_all(head.as_bytes()).unwrap();
    let (status, text) = tokio::task::spawn_blocking(move || answer(&mut stream)).await.unwrap();
    // In the order of the contract: what the path names comes first.
    assert_eq!(status, 404, "{text}");
    let mut stream = connect(app.base());
    let login = "POST /v1/auth/login HTTP/1.1\r\nhost: px0\r\ncontent-type: application/json\r\ncontent-length: 16385\r\n\r\n";
    stream.write_all(login.as_bytes()).unwrap();
    let (status, text) = tokio::task::spawn_blocking(move || answer(&mut stream)).await.unwrap();
    assert_eq!(status, 413, "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_has_so_many_fields() {
    let app = App::start().await;
    let ada = app.founder("ada").await;
    let prompts = format!("/v1/teams/{}/prompts", ada.team);
    let fields = |count: usize| -> Value {
        let others = (1..count).map(|number| (format!("f{number}"), json!(1)));
        others.chain([("name".to_owned(), json!(format!("p{count}")))]).collect()
    };
    ada.post(&prompts, fields(256)).await.expect(201);
    let refused = ada.post(&prompts, fields(257)).await.expect(400);
    assert_eq!(refused["error"], "the body must have at most 256 fields");
    // The last one of a name counts, however it is written.
    let twice = r#"{"name":"first","n\u0061me":"second"}"#;
    assert_eq!(ada.post_text(&prompts, twice).await.expect(201)["prompt"]["name"], "second");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_comes_too_slowly_is_cut_and_its_room_is_others() {
    let app = App::start_with(|settings| {
        settings.http.max_body = 64 * 1024;
        // Room for two of the largest; one caller has room for one.
        settings.http.body_memory = 128 * 1024;
    })
    .await;
    let (ada, bob) = (app.founder("ada").await, app.founder("bob").await);
    for somebody in [&ada, &bob] {
        let prompt = somebody.prompt("p").await;
        somebody.live(&prompt, "{{ a }}").await;
    }
    let path = "/v1/prompts/p/render";
    let begun = Instant::now();
    let mut slow = connect(app.base());
    slow.write_all(head(path, ada.token(), 60_000).as_bytes()).unwrap();
    slow.write_all(b"{\"variables\":").unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    // Others have room, and the same caller too for what is small.
    let bob = Client::from_address(app.base(), ELSEWHERE).with_token(bob.token());
    bob.post_text(path, variables(60_000)).await.expect(200);
    ada.post_text(path, variables(10_000)).await.expect(200);
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    // The same caller waits for itself.
    ada.post_text(path, variables(60_000)).await.expect(200);
    let waited = begun.elapsed();
    assert!((Duration::from_secs(5)..Duration::from_secs(10)).contains(&waited), "{waited:?}");
    let (status, text) = tokio::task::spawn_blocking(move || answer(&mut slow)).await.unwrap();
    assert_eq!(status, 408, "{text}");
    assert!(
        text.contains("\"code\":\"request_timeout\"") && text.contains("connection: close"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_finds_no_room_for_a_body_is_told_to_come_back() {
    let app = App::start_with(|settings| {
        settings.http.max_body = 64 * 1024;
        settings.http.body_memory = 64 * 1024;
    })
    .await;
    let ada = app.founder("ada").await;
    let prompt = ada.prompt("p").await;
    ada.live(&prompt, "{{ a }}").await;
    let path = "/v1/prompts/p/render";
    // Just fast enough not to be cut, and not at its end before the test's.
    let mut holder = connect(app.base());
    holder.write_all(head(path, ada.token(), 60_000).as_bytes()).unwrap();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let holding = std::thread::spawn(move || {
        while ended.recv_timeout(Duration::from_millis(500)) == Err(RecvTimeoutError::Timeout) {
            holder.write_all(&[b' '; 1000]).unwrap();
        }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let refused = ada.post_text(path, variables(60_000)).await.expect(503);
    assert_eq!((refused.code(), refused.header("retry-after")), ("unavailable", "1"));
    drop(end);
    holding.join().unwrap();
    ada.post_text(path, variables(60_000)).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_slow_while_others_wait_is_cut_soon() {
    let app = App::start_with(|settings| {
        settings.http.max_body = 64 * 1024;
        settings.http.body_memory = 64 * 1024;
    })
    .await;
    let (ada, bob) = (app.founder("ada").await, app.founder("bob").await);
    let prompt = bob.prompt("p").await;
    bob.live(&prompt, "{{ a }}").await;
    let path = "/v1/prompts/p/render";
    // Fast enough while nobody waits: 8 KB a second.
    let mut holder = connect(app.base());
    holder.write_all(head(path, ada.token(), 60_000).as_bytes()).unwrap();
    let holding = std::thread::spawn(move || {
        while holder.write_all(&[b' '; 800]).is_ok() {
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    // From another address, so that it waits for what others hold, and not for its own.
    let elsewhere = Client::from_address(app.base(), ELSEWHERE).with_token(bob.token());
    let begun = Instant::now();
    elsewhere.post_text(path, variables(60_000)).await.expect(200);
    assert!(begun.elapsed() < Duration::from_millis(4500), "{:?}", begun.elapsed());
    holding.join().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_nobody_reads_is_given_up() {
    let app = App::start().await;
    let ada = app.founder("ada").await;
    let prompt = ada.prompt("p").await;
    ada.live(&prompt, "{{ a }}{{ a }}{{ a }}{{ a }}").await;
    let mut readers = Vec::new();
    for _ in 0..8 {
        let mut stream = connect(app.base());
        // One answer after the other, until no more is taken.
        let body = variables(250_000);
        stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        for _ in 0..20 {
            let request = head("/v1/prompts/p/render", ada.token(), body.len()) + &body;
            if stream.write_all(request.as_bytes()).is_err() {
                break;
            }
        }
        readers.push(stream);
    }
    tokio::time::sleep(Duration::from_secs(11)).await;
    for mut stream in readers {
        let mut all = Vec::new();
        // What is in the buffers of the system is still to be read, and then the end: the server has hung up.
        let end = tokio::task::spawn_blocking(move || stream.read_to_end(&mut all)).await.unwrap();
        let gone = end.as_ref().map_or_else(|e| e.kind() == ErrorKind::ConnectionReset, |_| true);
        assert!(gone, "{end:?}");
    }
    ada.get("/v1/auth/me").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_comes_nearly_whole_and_then_stalls_is_cut() {
    let app = App::start().await;
    let ada = app.founder("ada").await;
    let mut stalled = connect(app.base());
    stalled.write_all(head("/v1/prompts/p/render", ada.token(), 100_000).as_bytes()).unwrap();
    stalled.write_all(&[b' '; 99_999]).unwrap();
    let begun = Instant::now();
    let (status, text) = tokio::task::spawn_blocking(move || answer(&mut stalled)).await.unwrap();
    // What the path names comes first, as always; but it is told as soon as the body is given up.
    assert_eq!(status, 404, "{text}");
    assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_start_compiles_nothing_and_writes_only_its_store() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&sled(&data)).await;
    let ada = Home::found(&server.base, "ada").await;
    let prompt = ada.prompt("p").await;
    let schema = json!({ "type": "object", "required": ["a"] });
    let version =
        json!({ "template": "{{ .a }}", "engine": "gotemplate", "variables_schema": schema });
    ada.post(&format!("/v1/prompts/{prompt}/versions"), version).await.expect(201);
    let render = format!("/v1/prompts/{prompt}/versions/1/render");
    let answer = ada.post(&render, json!({ "variables": { "a": "b" } })).await.expect(200);
    assert_eq!(answer["rendered"], "b");
    assert!(!data.join("compiled").exists(), "nothing was compiled");
    server.stop().await;
}

/// Begins a start that cannot go on: it waits for a database that never says anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_takes_long_says_so_and_ends_when_it_is_told_to() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://px0@{}/px0", silent.local_addr().unwrap());
    let mut child = Command::new(px0())
        .env("PX0_HTTP__ADDR", "127.0.0.1:0")
        .env("PX0_TELEMETRY__ADDR", "")
        .env("PX0_STORE__BACKEND", "postgres")
        .env("PX0_STORE__POSTGRES__URL", url)
        .env("PX0_STORE__POSTGRES__ACQUIRE_TIMEOUT_MS", "60000")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(child.try_wait().unwrap().is_none(), "it waits");
    let begun = Instant::now();
    let pid = child.id().to_string();
    assert!(
        Command::new("sh").args(["-c", "kill -s TERM \"$0\"", &pid]).status().unwrap().success()
    );
    let ended =
        tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    let took = begun.elapsed();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{said}");
    assert!(said.contains("still starting: opening the store"), "{said}");
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_in_pieces_that_says_no_length_is_counted_as_it_comes() {
    let app = App::start().await;
    let ada = app.founder("ada").await;
    let prompt = ada.prompt("p").await;
    ada.live(&prompt, "{{ a }}").await;
    let send = |bytes: usize| {
        let mut stream = connect(app.base());
        let token = ada.token().to_owned();
        tokio::task::spawn_blocking(move || {
            let head = format!(
                "POST /v1/prompts/p/render HTTP/1.1\r\nhost: px0\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\
                 content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).unwrap();
            let body = variables(bytes);
            let mut read = stream.try_clone().unwrap();
            let answered = std::thread::spawn(move || {
                let mut text = vec![0; 12];
                read.read_exact(&mut text).unwrap();
                String::from_utf8(text).unwrap()
            });
            for piece in body.as_bytes().chunks(50_000) {
                // Who is refused is hung up on.
                let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
                if answered.is_finished() || stream.write_all(&chunk).is_err() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            let _ = stream.write_all(b"0\r\n\r\n");
            answered.join().unwrap()
        })
    };
    assert_eq!(send(900_000).await.unwrap(), "HTTP/1.1 200");
    assert_eq!(send(2_500_000).await.unwrap(), "HTTP/1.1 413");
    Answer::to(ada.request(Method::GET, "/v1/auth/me")).await.expect(200);
}
