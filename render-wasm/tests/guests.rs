//! The guests are what the sandbox believes them to be.

/// The section of a component that says what it imports.
const IMPORTS: u8 = 10;

/// What a template engine imports, and nothing else: functions that plugins lend.
const FUNCTIONS: &[u8] = b"px0:engine/functions@0.1.0";

#[test]
fn guests_import_nothing_but_functions_of_plugins() {
    let schema = sections(include_bytes!(concat!(env!("OUT_DIR"), "/schema.wasm")));
    assert!(!schema.is_empty() && schema.iter().all(|(kind, _)| *kind != IMPORTS));
    let engine = sections(include_bytes!(concat!(env!("OUT_DIR"), "/minijinja.wasm")));
    let imports: Vec<_> = engine.iter().filter(|(kind, _)| *kind == IMPORTS).collect();
    let [(_, imports)] = imports.as_slice() else {
        panic!("{} sections of imports", imports.len())
    };
    // How many there are, how the first is named, how long its name is, its name.
    assert_eq!(imports[..3], [1, 0, FUNCTIONS.len() as u8]);
    assert!(imports[3..].starts_with(FUNCTIONS));
}

/// The outermost sections of a component: what each is, and its bytes.
fn sections(component: &[u8]) -> Vec<(u8, &[u8])> {
    assert_eq!(&component[..8], b"\0asm\x0d\0\x01\0", "not a component");
    let mut kinds = Vec::new();
    let mut rest = &component[8..];
    while let Some((kind, after)) = rest.split_first() {
        let (mut size, mut shift) = (0usize, 0);
        let mut at = 0;
        loop {
            let byte = after[at];
            size |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            at += 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
        kinds.push((*kind, &after[at..at + size]));
        rest = &after[at + size..];
    }
    kinds
}
