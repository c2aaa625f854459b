//! The WebAssembly engine of the process: what code may do and how it is compiled.

use wasmtime::{Config, Engine, Error, OptLevel};

/// Native stack that WebAssembly may use. The guests keep most of their stack in their own memory.
const WASM_STACK: usize = 512 * 1024;

/// Stack of a call: what WebAssembly may use and room for the host's side of the call.
const CALL_STACK: usize = 1024 * 1024;

/// Makes the engine. There is one per sandbox: all compiled code and all instances belong to it.
///
/// Time is bounded by fuel alone. Epoch interruption would add a second check to every loop, which
/// costs more than all other checks together; instead calls give up control after each slice of
/// fuel, and the clock is read there (see [`crate::turn`]).
pub(crate) fn engine() -> Result<Engine, Error> {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .max_wasm_stack(WASM_STACK)
        .async_stack_size(CALL_STACK)
        .cranelift_opt_level(OptLevel::Speed)
        // Renders are reproducible on every machine, NaNs included.
        .cranelift_nan_canonicalization(true)
        // 4 GiB of addresses per memory are only reserved, never used; with less, every access
        // would need a check of its bounds.
        .memory_reservation(4 << 30)
        .memory_may_move(false)
        // A trap becomes one sentence; nobody reads its frames.
        .wasm_backtrace_max_frames(None)
        // What the guests do not use, hostile code could not use either.
        .wasm_component_model(true)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_relaxed_simd(false)
        .wasm_tail_call(false);
    Engine::new(&config)
}
