//! The program on its own: what it says without a store. (That this is here has cargo build the program for all tests.)
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may stop where it stands")]

use std::process::Command;

fn px0(arguments: &[&str]) -> (bool, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_px0")).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_defaults_are_a_configuration() {
    let (done, defaults, _) = px0(&["defaults"]);
    assert!(done);
    assert_eq!(defaults, px0_config::DEFAULTS);
}

#[test]
fn it_explains_itself() {
    let (done, help, _) = px0(&["--help"]);
    assert!(done);
    for command in ["serve", "export", "import", "fsck", "defaults"] {
        assert!(help.contains(command), "{help}");
    }
    let (done, version, _) = px0(&["--version"]);
    assert_eq!((done, version.trim()), (true, concat!("px0 ", env!("CARGO_PKG_VERSION"))));
    let (done, _, told) = px0(&["sing"]);
    assert!(!done && told.contains("sing"), "{told}");
}
