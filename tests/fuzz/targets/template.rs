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
    ids::OrgId,
    render::{EngineName, RenderError, Renderer, TemplateRef, Tenant},
};
use px0_document::Tape;
use px0_minijinja::Template;
use px0_render_wasm::{Isolation, RenderSettings, Sandbox};
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_current_thread().build().expect("a runtime"));

static SANDBOX: LazyLock<Sandbox> = LazyLock::new(|| {
    Sandbox::new(RenderSettings {
        isolation: Isolation::Render,
        // Everything is slower here; the limits that count are those of fuel and memory.
        deadline_ms: 10_000,
        ..RenderSettings::default()
    })
    .expect("a sandbox")
});

fn template(source: &str) -> TemplateRef {
    TemplateRef::loose(Tenant::plain(OrgId::new()), EngineName::default(), source)
}

/// The plan and the interpreter outside of the sandbox, where the fuzzer sees which ways they take.
///
/// Their answers are not held to the sandbox's: numbers that count things have 64 bits out here.
fn natively(source: &str, variables: &str) {
    let tape = Arc::new(Tape::read(variables).expect("the sandbox has read them"));
    let ended = panic::catch_unwind(AssertUnwindSafe(|| {
        let Ok(template) = Template::compile(source.to_owned()) else { return };
        if let Some(text) = template.planned(&tape) {
            assert_eq!(Ok(text), template.interpreted(&tape), "{DIFFERENT}");
        } else {
            drop(template.interpreted(&tape));
        }
    }));
    if let Err(panic) = ended {
        let text = panic.downcast_ref::<String>().map_or("", String::as_str);
        assert!(!text.contains(DIFFERENT), "{text}");
        // A panic of minijinja's is a trap inside. What it had written down is not the next one's: a plan begins with nothing.
        let empty = Arc::new(Tape::read("{}").expect("it is JSON"));
        let _ = Template::compile(String::new()).map(|template| template.planned(&empty));
    }
}

const DIFFERENT: &str = "the plan and the interpreter";

fn run(data: &[u8]) -> Corpus {
    let text = std::str::from_utf8(data).ok().and_then(|text| text.split_once("\n---\n"));
    let Some((variables, source)) = text else {
        return Corpus::Reject;
    };
    let template = template(source);
    let answer = RUNTIME.block_on(SANDBOX.render(&template, variables));
    match &answer {
        Err(RenderError::Internal(why)) => panic!("{why}"),
        // What needs the sandbox to end, or lacks variables to begin with.
        Err(RenderError::Limit(_) | RenderError::Variables(_)) => return Corpus::Keep,
        Err(RenderError::Execution(error)) if error.message.contains("too deeply nested") => {
            return Corpus::Keep;
        }
        _ => {}
    }
    assert_eq!(answer, RUNTIME.block_on(SANDBOX.render(&template, variables)), "another time");
    // Where nothing bounds them, large numbers are large texts.
    let large =
        |text: &str| text.split(|c: char| !c.is_ascii_digit()).any(|digits| digits.len() > 6);
    if answer.is_ok() && !large(source) && !large(variables) {
        natively(source, variables);
    }
    Corpus::Keep
}

fuzz_target!(
    init: {
        // libFuzzer's own hook ends the process; what is caught above is none of its business.
        panic::set_hook(Box::new(|_| {}));
        // The guests are compiled before any input is timed.
        LazyLock::force(&SANDBOX);
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
