//! px0's benches: `cargo bench -p px0-benches`, then `cargo run -p px0-benches --bin ratios`.
