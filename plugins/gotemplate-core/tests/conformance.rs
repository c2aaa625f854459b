//! Every case of `conformance/` gives what Go gives.
#![allow(clippy::unwrap_used, reason = "a test that cannot read its cases has failed")]

use std::{collections::BTreeMap, fs, path::Path};

use px0_gotemplate_core::{NoFunctions, Template};
use serde_json::Value;

/// Enough for every case.
const MAX_OUTPUT: usize = 1 << 20;

/// All cases, by `<file>/<name>`.
fn cases(folder: &Path) -> BTreeMap<String, Value> {
    let mut cases = BTreeMap::new();
    for entry in fs::read_dir(folder.join("cases")).unwrap() {
        let path = entry.unwrap().path();
        let area = path.file_stem().unwrap().to_str().unwrap();
        let list: Vec<Value> = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        for case in list {
            let name = format!("{area}/{}", case["name"].as_str().unwrap());
            assert!(cases.insert(name.clone(), case).is_none(), "two cases are called {name}");
        }
    }
    cases
}

/// The text, or nothing and why there is none.
fn render(case: &Value) -> (Option<String>, String) {
    let variables = match &case["variables"] {
        Value::Null => "{}".to_owned(),
        variables => variables.to_string(),
    };
    let template = match Template::compile(case["template"].as_str().unwrap(), &NoFunctions) {
        Ok(template) => template,
        Err(error) => return (None, error.to_string()),
    };
    match template.render(&variables, MAX_OUTPUT, &NoFunctions) {
        Ok(text) => (Some(text), String::new()),
        Err(error) => (None, error.to_string()),
    }
}

#[test]
fn every_case_gives_what_go_gives() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance");
    let expected = fs::read_to_string(folder.join("expected.json")).unwrap();
    let expected: BTreeMap<String, Value> = serde_json::from_str(&expected).unwrap();
    let cases = cases(&folder);
    assert_eq!(
        cases.keys().collect::<Vec<_>>(),
        expected.keys().collect::<Vec<_>>(),
        "expected.json is not that of the cases: see conformance/README.md"
    );

    let mut failures = Vec::new();
    for (name, case) in &cases {
        let wanted = expected[name]["output"].as_str();
        let (text, error) = render(case);
        if text.as_deref() != wanted {
            failures.push(format!("{name}\n  wanted {wanted:?}\n  got    {text:?} {error}"));
        }
    }
    let count = cases.len();
    assert!(failures.is_empty(), "{} of {count}:\n{}", failures.len(), failures.join("\n"));
}
