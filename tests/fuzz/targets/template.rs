//! A template and its variables: the sandbox answers, and answers the same as the plan and the interpreter outside of it.
//!
//! An input is the variables, a line `---`, and the template, as in `tests/templates/inputs`.
#![no_main]

use std::{
    panic::{self, AssertUnwindSafe},
    sync::{Arc, LazyLock},
};

use libfuzzer_sys::{Corpus, fuzz_target};
use px0_core::{
    ids::{OrgId, VersionId},
    render::{EngineName, RenderError, Renderer, TemplateRef},
};
use px0_document::Tape;
use px0_minijinja::{RenderFailure, Template};
use px0_render_wasm::{Isolation, RenderSettings, Sandbox};
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_current_thread().build().expect("a runtime"));

static SANDBOX: LazyLock<Sandbox> = LazyLock::new(|| {
    Sandbox::new(RenderSettings {
        isolation: Isolation::Render,
        // Everything is slower here; the limits that count are those of fuel and memory.
        deadline_ms: 10_000,
        cache_dir: Some(std::env::temp_dir().join("px0-fuzz-code")),
        ..RenderSettings::default()
    })
    .expect("a sandbox")
});

fn template(source: &str) -> TemplateRef {
    let engine = EngineName::default();
    TemplateRef { tenant: OrgId::new(), version: VersionId::new(), engine, source: source.into() }
}

/// What the same code answers outside of the sandbox; nothing if it panics, which is a trap inside.
fn natively(source: &str, variables: &str) -> Option<Result<String, RenderFailure>> {
    let tape = Arc::new(Tape::read(variables).expect("the sandbox has read them"));
    panic::catch_unwind(AssertUnwindSafe(|| {
        let template = Template::compile(source.to_owned()).map_err(RenderFailure::Execution)?;
        let planned = template.planned(&tape);
        let interpreted = template.interpreted(&tape);
        if let Some(text) = planned {
            assert_eq!(Ok(&text), interpreted.as_ref(), "the plan and the interpreter");
        }
        interpreted
    }))
    .inspect_err(|panic| {
        let text = panic.downcast_ref::<String>().map_or("", String::as_str);
        assert!(!text.contains("the plan and the interpreter"), "{text}");
    })
    .ok()
}

fn run(data: &[u8]) -> Corpus {
    let Some((variables, source)) =
        std::str::from_utf8(data).ok().and_then(|text| text.split_once("\n---\n"))
    else {
        return Corpus::Reject;
    };
    let answer = RUNTIME.block_on(SANDBOX.render(&template(source), variables));
    match &answer {
        Err(RenderError::Internal(why)) => panic!("{why}"),
        // What needs the sandbox to end, or lacks variables to begin with.
        Err(RenderError::Limit(_) | RenderError::Variables(_)) => return Corpus::Keep,
        Err(RenderError::Execution(error)) if error.message.contains("too deeply nested") => {
            return Corpus::Keep;
        }
        _ => {}
    }
    match (answer, natively(source, variables)) {
        (_, None) => {}
        (Ok(text), Some(native)) => assert_eq!(Ok(text), native),
        (Err(RenderError::Missing(names)), Some(native)) => {
            assert_eq!(native, Err(RenderFailure::Missing(names)));
        }
        (Err(RenderError::Execution(error)), Some(Err(RenderFailure::Execution(failure)))) => {
            assert_eq!(error.message, failure.message);
        }
        (answer, native) => panic!("the sandbox says {answer:?}, outside it is {native:?}"),
    }
    Corpus::Keep
}

fuzz_target!(
    init: {
        // libFuzzer's own hook ends the process; what is caught above is none of its business.
        panic::set_hook(Box::new(|_| {}));
    },
    |data: &[u8]| -> Corpus {
        match panic::catch_unwind(|| run(data)) {
            Ok(corpus) => corpus,
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                eprintln!("{}", text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic"));
                std::process::abort();
            }
        }
    }
);
