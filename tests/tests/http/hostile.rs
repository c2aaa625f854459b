//! Templates and variables that want to do harm, one after the other, to the real server: each gets the contract's answer, soon,
//! and the server goes on with the memory that it had.
//!
//! The corpus is `tests/templates/hostile/`; its README explains the format.

use std::{
    cmp::Reverse,
    fmt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use px0_tests::{Answer, Client, Home};
use reqwest::Method;
use serde_json::json;

use px0_tests::process::{Server, sled};

/// How long one answer may take. A debug build runs px0 itself without optimization, and beside other tests.
const SOON: Duration = Duration::from_millis(if cfg!(debug_assertions) { 5_000 } else { 500 });

/// How much memory one request may take, and all of them together may keep, in KiB.
const MEMORY: usize = 64 * 1024;

/// A template that harms nobody, its variables, and its text.
const GOOD: &str = "{% macro hi(name) %}Hi {{ name|upper }}{% endmacro %}{{ hi(name) }}{% for i in range(3) %} {{ i }}{% endfor %}";
const GOOD_VARIABLES: &str = r#"{"variables": {"name": "Ada"}}"#;
const GOOD_TEXT: &str = "Hi ADA 0 1 2";

/// One file of the corpus.
struct Hostile {
    name: String,
    /// What saving the template answers.
    save: String,
    /// What rendering it answers, if it can be saved.
    render: Option<String>,
    /// The bodies of both requests.
    template: Vec<u8>,
    variables: Vec<u8>,
}

impl Hostile {
    fn read(file: &Path) -> Self {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(file).unwrap();
        let (head, rest) = text.split_once("--- variables\n").expect(&name);
        let (variables, template) = rest.split_once("\n--- template").expect(&name);
        let (kind, template) = template.split_once('\n').expect(&name);
        let template = expand(template.strip_suffix('\n').expect(&name));
        let template = match kind {
            "" => quoted(&template),
            " as JSON" => template,
            other => panic!("{name}: a template cannot be written{other}"),
        };
        let (mut save, mut render) = (None, None);
        for line in head.lines() {
            match line.split_once(": ") {
                Some(("save", kind)) => save = Some(kind.to_owned()),
                Some(("render", kind)) => render = Some(kind.to_owned()),
                _ => panic!("{name}: what is {line:?}?"),
            }
        }
        let save = save.expect(&name);
        assert_eq!(save == "ok", render.is_some(), "{name}: what can be saved can be rendered");
        Self {
            name,
            save,
            render,
            template: object("template", &template),
            variables: object("variables", &expand(variables)),
        }
    }

    fn all() -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/hostile");
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<PathBuf> =
            entries.filter(|file| file.extension().is_some_and(|end| end == "txt")).collect();
        files.sort();
        files.iter().map(|file| Self::read(file)).collect()
    }
}

/// `<<3: ab>>` as `ababab`, with `$i` in it as the number of the repetition, and `<<byte ff>>` as that byte.
fn expand(text: &str) -> Vec<u8> {
    let mut expanded = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<<") {
        let (what, after) = after.split_once(">>").expect("what begins also ends");
        expanded.extend_from_slice(before.as_bytes());
        if let Some(byte) = what.strip_prefix("byte ") {
            expanded.push(u8::from_str_radix(byte, 16).unwrap());
        } else {
            let (times, unit) = what.split_once(": ").expect("a number and a text");
            let times: usize = times.parse().unwrap();
            let text = if unit.contains("$i") {
                (0..times).map(|i| unit.replace("$i", &i.to_string())).collect()
            } else {
                unit.repeat(times)
            };
            expanded.extend_from_slice(text.as_bytes());
        }
        rest = after;
    }
    expanded.extend_from_slice(rest.as_bytes());
    expanded
}

/// A JSON string of these bytes, which need not be UTF-8.
fn quoted(text: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'"'];
    for &byte in text {
        match byte {
            b'"' | b'\\' => quoted.extend_from_slice(&[b'\\', byte]),
            0..0x20 => quoted.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => quoted.push(byte),
        }
    }
    quoted.push(b'"');
    quoted
}

fn object(name: &str, value: &[u8]) -> Vec<u8> {
    [format!("{{\"{name}\": ").as_bytes(), value, b"}"].concat()
}

/// Whether the answer is what was expected: `ok`, or status and code, or these and the limit.
fn is(answer: &Answer, expected: &str) -> bool {
    let limit = answer["details"]["limit"].as_str().unwrap_or_default();
    let code = answer.code();
    let status = answer.status;
    match expected {
        "ok" => status == 200 || status == 201,
        // Which of its limits a render meets first may be the machine's doing.
        "422 render_limit" => {
            status == 422
                && code == "render_limit"
                && ["fuel", "memory", "time", "output"].contains(&limit)
        }
        _ => [format!("{status} {code}"), format!("{status} {code} {limit}")]
            .iter()
            .any(|kind| kind == expected),
    }
}

/// What one request took.
struct Cost {
    what: String,
    time: Duration,
    /// KiB above what the server had before.
    memory: usize,
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>6.1?}  {:>6} KiB  {}", self.time, self.memory, self.what)
    }
}

/// The server's memory, in KiB: `VmRSS` is that of now, `VmHWM` the most since [`forget_peak`].
fn memory(server: &Server, row: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let row = status.lines().find_map(|line| line.strip_prefix(row)?.strip_prefix(':')).unwrap();
    row.trim().trim_end_matches(" kB").parse().unwrap()
}

/// From here on the kernel looks for a new peak, however short: a render may be over between two samples.
fn forget_peak(server: &Server) {
    std::fs::write(format!("/proc/{}/clear_refs", server.pid()), "5").unwrap();
}

/// Sends a request, and adds what it took to `costs`.
///
/// Each has a connection of its own, because the server closes one on which it refused a body.
async fn send(
    server: &Server,
    client: &Client,
    what: String,
    path: &str,
    body: Vec<u8>,
    costs: &mut Vec<Cost>,
) -> Answer {
    let request = client.request(Method::POST, path).header("connection", "close");
    let request = request.header("content-type", "application/json").body(body);
    forget_peak(server);
    let before = memory(server, "VmRSS");
    let started = Instant::now();
    let answer = Answer::to(request).await;
    let time = started.elapsed();
    let memory = memory(server, "VmHWM").saturating_sub(before);
    costs.push(Cost { what, time, memory });
    answer
}

/// The five that took most, a line each.
fn first_five<T: Ord>(costs: &mut [Cost], most: impl Fn(&Cost) -> T) -> String {
    costs.sort_by_key(|cost| Reverse(most(cost)));
    costs.iter().take(5).map(Cost::to_string).collect::<Vec<_>>().join("\n")
}

async fn renders_well(somebody: &Home, after: &str) {
    let answer = somebody.post_text("/v1/prompts/p/versions/1/render", GOOD_VARIABLES).await;
    assert_eq!((answer.status, answer["rendered"].as_str()), (200, Some(GOOD_TEXT)), "{after}");
}

/// Loads and compiles what is loaded and compiled once.
async fn warm_up(somebody: &Home) {
    let schema = json!({ "type": "object", "required": ["name"] });
    let version = json!({ "template": GOOD, "variables_schema": schema });
    somebody.post("/v1/prompts/p/versions", version).await.expect(201);
    for _ in 0..20 {
        renders_well(somebody, "nothing").await;
    }
}

#[expect(clippy::print_stdout, reason = "it is a report")]
#[tokio::test(flavor = "multi_thread")]
async fn hostile_templates_get_their_answers_and_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut settings = sled(&data);
    // What idle instances may keep is kept on purpose; it must not be taken for what is lost.
    settings.push(("PX0_RENDER__POOL_MEMORY", (16 << 20).to_string()));
    let mut server = Server::start(&settings).await;
    let eve = Home::found(&server.base, "eve").await;
    let ada = Home::found(&server.base, "ada").await;
    for somebody in [&eve, &ada] {
        somebody.prompt("P").await;
        warm_up(somebody).await;
    }
    let beginning = memory(&server, "VmRSS");

    let corpus = Hostile::all();
    assert!(corpus.len() >= 70, "{} files", corpus.len());
    let mut costs = Vec::new();
    let mut wrong = Vec::new();
    let mut expect = |answer: &Answer, what: &str, expected: &str| {
        if !is(answer, expected) {
            let text: String = answer.text.chars().take(300).collect();
            wrong.push(format!("{what}: expected {expected}: {} {text}", answer.status));
        }
    };
    for Hostile { name, save, render, template, variables } in corpus {
        let what = format!("{name}, save");
        let path = "/v1/prompts/p/versions";
        let saved = send(&server, &eve, what.clone(), path, template, &mut costs).await;
        expect(&saved, &what, &save);
        tokio::join!(renders_well(&eve, &what), renders_well(&ada, &what));
        let (Some(expected), Some(number)) = (render, saved["version"]["version"].as_u64()) else {
            continue;
        };
        let path = format!("/v1/prompts/p/versions/{number}/render");
        let mut first = None;
        // Twice: an instance that was stopped must not be there the second time.
        for time in ["render", "render again"] {
            let what = format!("{name}, {time}");
            let body = variables.clone();
            let answer = send(&server, &eve, what.clone(), &path, body, &mut costs).await;
            expect(&answer, &what, &expected);
            tokio::join!(renders_well(&eve, &what), renders_well(&ada, &what));
            let text = answer["rendered"].as_str().map(str::to_owned);
            assert_eq!(*first.get_or_insert(text.clone()), text, "{what}");
        }
    }

    assert!(server.lives(), "the server is gone");
    assert!(wrong.is_empty(), "{} wrong answers:\n{}", wrong.len(), wrong.join("\n"));
    let slowest = first_five(&mut costs, |cost| cost.time);
    let largest = first_five(&mut costs, |cost| cost.memory);
    println!("{} requests; the slowest:\n{slowest}\nthe largest:\n{largest}", costs.len());
    assert!(costs.iter().all(|cost| cost.time <= SOON), "not soon:\n{slowest}");
    assert!(costs.iter().all(|cost| cost.memory <= MEMORY), "too much memory:\n{largest}");

    // The system may take its time to get memory back.
    let asked = Instant::now();
    let mut end = memory(&server, "VmRSS");
    while end > beginning + MEMORY && asked.elapsed() < Duration::from_secs(10) {
        tokio::time::sleep(Duration::from_millis(100)).await;
        end = memory(&server, "VmRSS");
    }
    println!("memory: {beginning} KiB at the beginning, {end} KiB at the end");
    assert!(end <= beginning + MEMORY, "{beginning} KiB at the beginning, {end} KiB at the end");
}
