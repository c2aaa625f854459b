//! How px0 compiles WebAssembly.
//!
//! Build scripts compile the guests and the plugins that come with px0 ([`embed`]), and the binary carries the code. So a start
//! compiles nothing, writes nothing and needs a few milliseconds. A running px0 loads that code with an engine of the same
//! [`config`]: settings that change what code looks like stand here, and only here.

use std::{env, fs, path::Path};

use wasmtime::{Config, Engine, OptLevel};

/// Why something could not be compiled, for whoever builds px0.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// Native stack that WebAssembly may use, in bytes. The guests keep most of their stack in their own memory.
const WASM_STACK: usize = 512 * 1024;

/// The settings that compiled code depends on.
///
/// Time is bounded by fuel alone. Epoch interruption would add a second check to every loop, which
/// costs more than all other checks together; instead calls give up control after each slice of
/// fuel, and the clock is read there.
pub fn config() -> Config {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .max_wasm_stack(WASM_STACK)
        .cranelift_opt_level(OptLevel::Speed)
        // Renders are reproducible on every machine, NaNs included.
        .cranelift_nan_canonicalization(true)
        // 4 GiB of addresses per memory are only reserved, never used; with less, every access
        // would need a check of its bounds.
        .memory_reservation(4 << 30)
        .memory_may_move(false)
        // A trap becomes one sentence; nobody reads its frames, and the map to them is a third of the code's file.
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false)
        // What the guests do not use, hostile code could not use either.
        .wasm_component_model(true)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_relaxed_simd(false)
        .wasm_tail_call(false);
    config
}

/// For build scripts, which speak to cargo on standard output: compiles `component` for the machines that px0 is built for, and writes the code to `file`.
///
/// The code uses what every processor of the target's kind has, so that it runs on each of them. Where this build cannot compile
/// for the target (another kind of processor than its own), the file is empty: px0 then compiles when it starts.
///
/// # Errors
/// The component cannot be compiled, or the file not be written.
#[expect(clippy::print_stdout, reason = "that is how a build script warns")]
pub fn embed(component: &Path, file: &Path) -> Result<(), Error> {
    let target = env::var("TARGET")?;
    let mut config = config();
    let code = match config.target(&target).and_then(|config| Engine::new(config)) {
        Ok(engine) => engine.precompile_component(&fs::read(component)?)?,
        Err(why) => {
            println!(
                "cargo::warning=px0 will compile its guests at each first start: no code for {target} ({why:#})"
            );
            Vec::new()
        }
    };
    Ok(fs::write(file, code)?)
}
