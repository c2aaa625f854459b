//! The guests are what the sandbox believes them to be.

/// The section of a component that says what it imports.
const IMPORTS: u8 = 10;

#[test]
fn guests_import_nothing() {
    for (name, component) in [
        ("minijinja", include_bytes!(concat!(env!("OUT_DIR"), "/minijinja.wasm")).as_slice()),
        ("schema", include_bytes!(concat!(env!("OUT_DIR"), "/schema.wasm"))),
    ] {
        let sections = sections(component);
        assert!(!sections.is_empty(), "{name} has no sections");
        assert!(!sections.contains(&IMPORTS), "{name} imports something");
    }
}

/// The kinds of the outermost sections of a component.
fn sections(component: &[u8]) -> Vec<u8> {
    assert_eq!(&component[..8], b"\0asm\x0d\0\x01\0", "not a component");
    let mut kinds = Vec::new();
    let mut rest = &component[8..];
    while let Some((kind, after)) = rest.split_first() {
        kinds.push(*kind);
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
        rest = &after[at + size..];
    }
    kinds
}
