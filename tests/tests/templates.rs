//! Templates as users write them: each of `templates/inputs` renders to its page in
//! `templates/snapshots`, and the examples of `docs/templates.md` are some of them.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may stop where it stands")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use px0_core::{
    Code,
    ids::OrgId,
    render::{EngineName, RenderError, Renderer, TemplateError, TemplateRef, Tenant},
};
use px0_render_wasm::{RenderSettings, Sandbox};

/// The guest's tables of filters, tests and functions.
const NAMES: &str = include_str!("../../render-wasm/minijinja/src/names.rs");
/// The guest's methods of strings, objects and lists.
const METHODS: &str = include_str!("../../render-wasm/minijinja/src/methods.rs");

/// One file of `templates/inputs`: the variables, a line `---`, the template.
///
/// Names that begin with `error_` or `missing_` are for those that fail, with `wrong_` for those
/// that are answered today as they should not be.
struct Fixture {
    variables: String,
    template: String,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("templates")
}

fn guide() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/templates.md")
}

/// The names of the files in `folder` that end with `extension`, without it.
fn stems(folder: &Path, extension: &str) -> BTreeSet<String> {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let files = files.filter(|file| file.extension().is_some_and(|found| found == extension));
    files.map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

fn fixtures() -> BTreeMap<String, Fixture> {
    let folder = folder().join("inputs");
    let read = |name: String| {
        let text = fs::read_to_string(folder.join(&name).with_extension("txt")).unwrap();
        let (variables, template) =
            text.split_once("\n---\n").unwrap_or_else(|| panic!("{name} has no line ---"));
        // An editor ends a file with a newline, which is not the template's.
        let template = template.strip_suffix('\n').unwrap_or(template);
        (name, Fixture { variables: variables.to_owned(), template: template.to_owned() })
    };
    stems(&folder, "txt").into_iter().map(read).collect()
}

fn sandbox() -> Sandbox {
    Sandbox::new(RenderSettings {
        // The machine that runs the tests may be busy, and no page is about time.
        deadline_ms: 10_000,
        ..RenderSettings::default()
    })
    .unwrap()
}

/// What the author of `fixture` gets to read, and whether it is an error.
async fn page(sandbox: &Sandbox, fixture: &Fixture) -> (String, bool) {
    let Fixture { variables, template } = fixture;
    let (tenant, engine) = (Tenant::plain(OrgId::new()), EngineName::default());
    if let Err(error) = sandbox.check(&tenant, &engine, template).await.unwrap() {
        return (located(Code::InvalidTemplate, "invalid template", &error), true);
    }
    let template = TemplateRef::loose(tenant, engine, template.as_str());
    let answer = sandbox.render(&template, variables).await;
    let again = sandbox.render(&template, variables).await;
    assert_eq!(answer, again, "a second render says something else");
    let error = match answer {
        Ok(text) => return (shown(text), false),
        Err(error) => error,
    };
    let code = match &error {
        RenderError::Execution(error) => {
            return (located(Code::ExecutionFailed, "template execution failed", error), true);
        }
        RenderError::Missing(_) => Code::MissingVariables,
        RenderError::Limit(_) => Code::RenderLimit,
        RenderError::Variables(_) => Code::InvalidField,
        RenderError::Plugin(_) | RenderError::NoEngine(_) => panic!("{error}"),
        RenderError::Internal(why) => panic!("the sandbox failed: {why}"),
    };
    (format!("{}\n{error}", code.as_str()), true)
}

/// The code, the sentence and the details of an error, as the API gives them.
fn located(code: Code, what: &str, error: &TemplateError) -> String {
    let TemplateError { message, line, column, excerpt } = error;
    let mut page = format!("{}\n{what}: {message}", code.as_str());
    match (line, column) {
        (Some(line), Some(column)) => write!(page, "\nline {line}, column {column}").unwrap(),
        (Some(line), None) => write!(page, "\nline {line}").unwrap(),
        _ => {}
    }
    if let Some(excerpt) = excerpt {
        write!(page, "\n\n{excerpt}").unwrap();
    }
    page
}

/// A text, and how it begins and ends where that is white: a snapshot keeps no such thing.
fn shown(text: String) -> String {
    let white = |part: &str| format!("{part:?}");
    let begins = &text[..text.len() - text.trim_start().len()];
    let ends = &text[text.trim_end().len()..];
    let page = text.trim_matches('\n');
    match (begins, ends) {
        ("", "") => text,
        _ if text.trim().is_empty() => format!("(the text is {})", white(&text)),
        (begins, "") => format!("{page}\n(begins with {})", white(begins)),
        ("", ends) => format!("{page}\n(ends with {})", white(ends)),
        _ => format!("{page}\n(begins with {}, ends with {})", white(begins), white(ends)),
    }
}

#[tokio::test]
async fn every_template_renders_to_its_page() {
    let (sandbox, fixtures) = (sandbox(), fixtures());
    assert!(fixtures.len() >= 70, "only {} templates", fixtures.len());
    let mut settings = insta::Settings::new();
    settings.set_snapshot_path(folder().join("snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let mut wrong = Vec::new();
    for (name, fixture) in &fixtures {
        let (page, is_error) = page(&sandbox, fixture).await;
        // All that differ are worth seeing in one run.
        let same = catch_unwind(AssertUnwindSafe(|| {
            settings.bind(|| insta::assert_snapshot!(name.as_str(), page));
        }));
        let is_named_for_it = is_error == fails(name) || name.starts_with("wrong_");
        if same.is_err() || !is_named_for_it {
            wrong.push(format!("{name}:\n{page}\n"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let stale: Vec<_> = stems(&folder().join("snapshots"), "snap")
        .into_iter()
        .filter(|name| !fixtures.contains_key(name))
        .collect();
    assert_eq!(stale, [""; 0], "pages without a template");
}

/// Whether the template called `name` is one that shows an error.
fn fails(name: &str) -> bool {
    name.starts_with("error_") || name.starts_with("missing_")
}

/// The names in the guest's table `module`.
fn names(module: &str) -> Vec<&'static str> {
    let mut tables = NAMES.split("table! {").filter(|table| {
        let head = table.lines().find(|line| line.trim_end().ends_with(':'));
        head.is_some_and(|head| head.trim().starts_with(&format!("{module},")))
    });
    let table = tables.next().unwrap_or_else(|| panic!("names.rs has no table {module}"));
    quoted(table.split("\n}").next().unwrap())
}

/// The names on the left of the arrows in `source`.
fn quoted(source: &'static str) -> Vec<&'static str> {
    let lines = source.lines().map(str::trim_start).filter(|line| line.starts_with('"'));
    let left = lines.filter_map(|line| Some(line.split_once(" => ")?.0));
    left.flat_map(|left| left.split('"').skip(1).step_by(2)).collect()
}

/// Whether `text` has `before`, `name`, and then nothing that would be part of a longer name.
fn uses(text: &str, before: &str, name: &str) -> bool {
    let word = format!("{before}{name}");
    text.match_indices(&word).any(|(at, _)| {
        let next = text[at + word.len()..].chars().next();
        next.is_none_or(|next| !next.is_alphanumeric() && next != '_')
    })
}

/// A filter, test, function or method that is new here has no template yet.
#[test]
fn every_name_is_in_a_template() {
    let all = fixtures();
    let rendered: Vec<_> = all
        .iter()
        // Exceptions are raised to fail.
        .filter(|(name, _)| !fails(name) || name.starts_with("error_raise_"))
        .map(|(_, fixture)| fixture.template.as_str())
        .collect();
    let anywhere = |before: &[&str], name: &str| {
        rendered.iter().any(|text| before.iter().any(|before| uses(text, before, name)))
    };
    let mut unused = Vec::new();
    let mut check = |what: &str, names: Vec<&'static str>, before: &[&str]| {
        assert!(names.len() > 3, "names.rs and methods.rs are not read well: {names:?}");
        let missing = names.into_iter().filter(|name| !anywhere(before, name));
        unused.extend(missing.map(|name| format!("{what} {name}")));
    };
    check("filter", names("filter"), &["|", "| "]);
    check("test", names("test"), &["is ", "is not ", "(\"", ", \""]);
    check("function", names("function"), &["{{ ", "{{- ", "= ", "in "]);
    check("method", quoted(METHODS), &["."]);
    assert_eq!(unused, [""; 0], "names without a template");
}

/// `docs/templates.md` tells all names, and its examples are templates of these tests.
/// `PX0_UPDATE_DOCS=1` writes the examples after their `<!-- fixture: name -->`.
#[test]
fn the_guide_is_true() {
    let file = guide();
    let guide = fs::read_to_string(&file).unwrap();
    let fixtures = fixtures();
    let mut page = String::new();
    let mut lines = guide.lines().peekable();
    let mut examples = 0;
    while let Some(line) = lines.next() {
        page.push_str(line);
        page.push('\n');
        let Some(name) = line.strip_prefix("<!-- fixture: ").and_then(|l| l.strip_suffix(" -->"))
        else {
            continue;
        };
        let fixture = fixtures.get(name).unwrap_or_else(|| panic!("there is no template {name}"));
        page.push_str(&example(name, fixture));
        examples += 1;
        // The blocks that are there make place for those that should be.
        loop {
            while lines.next_if(|line| line.is_empty()).is_some() {}
            if lines.next_if(|line| line.starts_with("```")).is_none() {
                break;
            }
            lines.find(|line| *line == "```").unwrap_or_else(|| panic!("{name} has no end"));
        }
    }
    assert!(examples > 20, "the guide has only {examples} examples");
    if std::env::var_os("PX0_UPDATE_DOCS").is_some() {
        fs::write(&file, &page).unwrap();
    }
    let written = fs::read_to_string(file).unwrap();
    let differs = written.lines().zip(page.lines()).find(|(is, should)| is != should);
    assert!(written == page, "run with PX0_UPDATE_DOCS=1; is and should be: {differs:?}");

    let told = |name: &&str| page.contains(&format!("`{name}`"));
    let all = ["filter", "test", "function"].into_iter().flat_map(names).chain(quoted(METHODS));
    let untold: Vec<_> = all.filter(|name| !told(name)).collect();
    assert_eq!(untold, [""; 0], "names that the guide does not tell");
}

/// The guide's table of limits has the defaults.
#[test]
fn the_guide_knows_the_limits() {
    let defaults: toml::Table = toml::from_str(px0_config::DEFAULTS).unwrap();
    let guide = fs::read_to_string(guide()).unwrap();
    let mut rows = 0;
    for line in
        guide.lines().filter(|line| line.contains("| `render.") || line.contains("| `limits."))
    {
        let cells: Vec<_> = line.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let (section, key) = cells[2].split_once('.').unwrap();
        assert_eq!(defaults[section][key].to_string(), cells[3].replace(' ', ""), "{line}");
        rows += 1;
    }
    assert!(rows >= 6, "the guide has no table of limits");
}

/// The blocks of a template of the tests in the guide: variables if it has some, template, text.
fn example(name: &str, fixture: &Fixture) -> String {
    let file = folder().join("snapshots").join(name).with_extension("snap");
    let snapshot = fs::read_to_string(file).unwrap();
    // The head of a snapshot is between two lines of dashes.
    let text = snapshot.splitn(3, "---\n").nth(2).unwrap().trim_end_matches('\n');
    let mut blocks = String::new();
    let variables = (fixture.variables != "{}").then_some(("json", fixture.variables.as_str()));
    let others = [("jinja", fixture.template.as_str()), ("text", text)];
    for (language, content) in variables.into_iter().chain(others) {
        write!(blocks, "\n```{language}\n{content}\n```\n").unwrap();
    }
    blocks.push('\n');
    blocks
}
