//! Prints what the sandbox costs, from criterion's estimates of the last `cargo bench -p px0-benches`.
#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::{env, error::Error, fs, path::PathBuf};

/// What is compared with what, and how much it may cost.
const RATIOS: [(&str, &str, f64); 2] =
    [("sandbox-warm", "native-preparsed", 2.5), ("sandbox-fresh", "native-parse", 4.0)];

fn main() -> Result<(), Box<dyn Error>> {
    let folder = criterion_folder().join("render");
    for (sandbox, native, limit) in RATIOS {
        let (sandboxed, natively) = (median(&folder, sandbox)?, median(&folder, native)?);
        println!(
            "{sandbox:>13} {:7.1} µs   {native:>16} {:7.1} µs   ratio {:.2} (limit {limit})",
            sandboxed / 1000.0,
            natively / 1000.0,
            sandboxed / natively
        );
    }
    Ok(())
}

/// Where criterion keeps its results: as it does itself.
fn criterion_folder() -> PathBuf {
    match (env::var_os("CRITERION_HOME"), env::var_os("CARGO_TARGET_DIR")) {
        (Some(home), _) => home.into(),
        (None, Some(target)) => PathBuf::from(target).join("criterion"),
        (None, None) => "target/criterion".into(),
    }
}

/// The median of the last run of `bench`, in nanoseconds.
fn median(folder: &std::path::Path, bench: &str) -> Result<f64, Box<dyn Error>> {
    let file = folder.join(bench).join("new/estimates.json");
    let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let estimates: serde_json::Value = serde_json::from_str(&text)?;
    estimates["median"]["point_estimate"].as_f64().ok_or_else(|| "no median".into())
}
