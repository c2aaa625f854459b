//! Plugins by hand: components made of a few lines of WebAssembly text, which do what no compiler would write.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The functions that a plugin of each kind exports, with their parameters as they are flattened.
const HOOK: &[(&str, usize)] = &[
    ("configure", 2),
    ("points", 0),
    ("before-render", 15),
    ("after-render", 15),
    ("before-promote", 1),
];
const FILTERS: &[(&str, usize)] = &[("configure", 2), ("declare", 0), ("call", 4)];
const ENGINE: &[(&str, usize)] = &[("compile", 2), ("variables", 0), ("render", 3)];

/// Where the zeros are: as an answer they are `ok`, `pass`, or an empty list.
pub const ZEROS: &str = "i32.const 1024";

/// A plugin in the making: every function answers with zeros, unless it was told otherwise.
#[derive(Clone)]
pub struct Wat {
    id: String,
    kind: &'static str,
    wants: &'static [&'static str],
    imports: String,
    bodies: Vec<(&'static str, String)>,
    /// Lines of the module besides the functions of the interface.
    lines: String,
    memory: String,
    realloc: String,
}

impl Wat {
    fn of(kind: &'static str, id: &str) -> Self {
        Self {
            id: id.to_owned(),
            kind,
            wants: &[],
            imports: String::new(),
            bodies: Vec::new(),
            lines: String::new(),
            memory: "(memory (export \"memory\") 2)".to_owned(),
            // Takes from the second page on, and grows when it must.
            realloc: "(local $at i32)
                (local.set $at (global.get $top))
                (global.set $top (i32.add (global.get $top) (i32.and (i32.add (local.get 3) (i32.const 7)) (i32.const -8))))
                (if (i32.gt_u (global.get $top) (i32.mul (memory.size) (i32.const 65536)))
                    (then (drop (memory.grow (i32.const 32)))))
                (local.get $at)"
                .to_owned(),
        }
    }

    /// A hook that passes everything, at all points.
    pub fn hook(id: &str) -> Self {
        // The list at 2048 has three points: 0, 1 and 2.
        Self::of("hook", id)
            .body("points", "i32.const 2048")
            .line(r#"(data (i32.const 2048) "\10\08\00\00\03\00\00\00\00\00\00\00\00\00\00\00\00\01\02")"#)
    }

    /// Filters with one function, `f`, of one argument, which is always null.
    pub fn filters(id: &str) -> Self {
        // The list at 2048 has one record: a name, 1 and some 1. The answer at 3072 is ok and `null`.
        Self::of("filters", id)
            .body("declare", "i32.const 2048")
            .body("call", "i32.const 3072")
            .line(r#"(data (i32.const 2048) "\10\08\00\00\01\00\00\00")"#)
            .line(r#"(data (i32.const 2064) "\80\08\00\00\01\00\00\00\01\00\00\00\01\00\00\00\01\00\00\00")"#)
            .line(r#"(data (i32.const 2176) "f")"#)
            .line(r#"(data (i32.const 3072) "\00\00\00\00\40\0c\00\00\04\00\00\00")"#)
            .line(r#"(data (i32.const 3136) "null")"#)
    }

    /// An engine whose templates all give the empty text.
    pub fn engine(id: &str) -> Self {
        Self::of("engine", id)
    }

    /// What a function does: instructions that leave the address of its answer.
    #[must_use]
    pub fn body(mut self, function: &'static str, instructions: impl Into<String>) -> Self {
        self.bodies.retain(|(name, _)| *name != function);
        self.bodies.push((function, instructions.into()));
        self
    }

    /// One more line of the module.
    #[must_use]
    pub fn line(mut self, line: &str) -> Self {
        self.lines.push_str(line);
        self.lines.push('\n');
        self
    }

    /// One more import.
    #[must_use]
    pub fn import(mut self, import: &str) -> Self {
        self.imports.push_str(import);
        self
    }

    /// Another memory.
    #[must_use]
    pub fn memory(mut self, memory: &str) -> Self {
        self.memory = memory.to_owned();
        self
    }

    /// Another way to give the host memory.
    #[must_use]
    pub fn realloc(mut self, instructions: &str) -> Self {
        self.realloc = instructions.to_owned();
        self
    }

    /// What it says it wants.
    #[must_use]
    pub fn wants(mut self, wants: &'static [&'static str]) -> Self {
        self.wants = wants;
        self
    }

    /// Its name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The text of its module.
    fn text(&self) -> String {
        let (interface, functions) = match self.kind {
            "hook" => ("hook", HOOK),
            "filters" => ("filters", FILTERS),
            _ => ("template-engine", ENGINE),
        };
        let mut text = format!(
            "(module\n{}{}\n(global $top (mut i32) (i32.const 65536))\n",
            imports(self.wants),
            self.imports
        );
        text.push_str(&self.memory);
        let _ = writeln!(
            text,
            "(func $realloc (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32)\n{})",
            self.realloc
        );
        for (name, parameters) in functions {
            let body =
                self.bodies.iter().find(|(of, _)| of == name).map_or(ZEROS, |(_, body)| body);
            let parameters = "i32 ".repeat(*parameters);
            let _ = writeln!(
                text,
                "(func ${name} (export \"px0:plugin/{interface}@0.1.0#{name}\") (param {parameters}) (result i32)\n{body})"
            );
        }
        text + &self.lines + ")"
    }

    /// The text of its module, as if it had been made for this version of the interface.
    pub fn text_for(&self, version: &str) -> String {
        self.text().replace("@0.1.0", &format!("@{version}"))
    }

    /// The component.
    pub fn component(&self) -> Vec<u8> {
        let world = match self.kind {
            "hook" => "hook-plugin",
            "filters" => "filters-plugin",
            _ => "engine-plugin",
        };
        encode(&self.text(), &wit(), world)
    }

    /// Its `plugin.toml`, with this checksum.
    pub fn manifest(&self, sha256: &str) -> String {
        let Self { id, kind, wants, .. } = self;
        format!(
            "id = \"{id}\"\nversion = \"1.0.0\"\napi = \"0.1.0\"\nkind = \"{kind}\"\nwants = {wants:?}\nsha256 = \"{sha256}\"\n"
        )
    }

    /// Installs it below `folder`.
    pub fn install(&self, folder: &Path) {
        install(folder, &self.id, &self.component(), |sha256| self.manifest(sha256));
    }
}

/// Installs something below `folder`.
pub fn install(folder: &Path, id: &str, bytes: &[u8], manifest: impl FnOnce(&str) -> String) {
    let folder = folder.join(id);
    fs::create_dir_all(&folder).unwrap();
    let mut sha256 = String::new();
    Sha256::digest(bytes).iter().for_each(|byte| write!(sha256, "{byte:02x}").unwrap());
    fs::write(folder.join("plugin.wasm"), bytes).unwrap();
    fs::write(folder.join("plugin.toml"), manifest(&sha256)).unwrap();
}

/// A component of a module in text form and the world that it is of.
pub fn encode(text: &str, wit: &Path, world: &str) -> Vec<u8> {
    let mut module = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(wit).unwrap();
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).unwrap();
    let mut encoder = ComponentEncoder::default();
    encoder
        .module(&module)
        .unwrap()
        .validate(true)
        .encode()
        .unwrap_or_else(|error| panic!("{error:#}\n{text}"))
}

/// The interface of plugins.
pub fn wit() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    root.join("plugins/wit/px0-plugin-0.1.0")
}

/// The imports that come with what a plugin wants: it calls none of them unless a body does.
fn imports(wants: &[&str]) -> String {
    let import = |want: &&str| match *want {
        "log" => r#"(import "px0:plugin/log@0.1.0" "write" (func $log (param i32 i32 i32)))"#,
        _ => {
            r#"(import "px0:plugin/kv@0.1.0" "get" (func $get (param i32 i32 i32)))
(import "px0:plugin/kv@0.1.0" "set" (func $set (param i32 i32 i32 i32 i32)))"#
        }
    };
    wants.iter().map(import).collect::<Vec<_>>().join("\n")
}
