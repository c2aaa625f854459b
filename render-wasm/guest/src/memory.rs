//! Memory: cheap when it is small, paid for when it is large.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::UnsafeCell,
    hint::black_box,
    ptr::{NonNull, copy_nonoverlapping, null_mut},
};

/// Blocks of up to this many bytes come from here, larger ones from the system's allocator.
const SMALL: usize = 1024;

/// Small blocks are multiples of this, and aligned to it.
const STEP: usize = 16;

/// How many bytes are asked for at once to be cut into small blocks.
const CHUNK: usize = 64 * 1024;

/// From this size on memory is paid for in fuel.
const LARGE: usize = 32 * 1024;

/// The allocator.
///
/// A render makes and drops thousands of small values and is over soon, so small blocks are cut from
/// large ones and, when freed, wait in a list for the next of their size: a handful of instructions
/// each way. They are never joined again; a guest that has grown is replaced by the host.
///
/// Copying memory is one instruction, however much it copies, so fuel would not bound the time that
/// a template takes which doubles strings. Nearly all that is copied in bulk is copied into memory
/// that was just asked for, so large blocks cost fuel by their size (about one unit for 8 bytes).
///
/// A block that cannot be had is told to the host by asking for all memory there could be: the host
/// sees a denied request and says "memory", not "crashed".
pub struct Memory {
    small: UnsafeCell<Small>,
}

// SAFETY: a guest has one thread: WebAssembly threads are off.
unsafe impl Sync for Memory {}

/// The small blocks that are free.
struct Small {
    /// Freed blocks by size; each holds the address of the next in its first bytes.
    freed: [*mut u8; SMALL / STEP + 1],
    /// What is left of the chunk that blocks are cut from.
    next: *mut u8,
    left: usize,
}

impl Memory {
    /// The allocator, empty.
    pub const fn new() -> Self {
        let freed = [null_mut(); SMALL / STEP + 1];
        Memory { small: UnsafeCell::new(Small { freed, next: null_mut(), left: 0 }) }
    }
}

/// The class of `layout`, if it is small.
#[inline(always)]
fn class(layout: Layout) -> Option<usize> {
    (layout.size() <= SMALL && layout.align() <= STEP).then(|| layout.size().div_ceil(STEP))
}

impl Small {
    #[inline(always)]
    fn take(&mut self, class: usize) -> *mut u8 {
        let block = self.freed[class];
        if block.is_null() {
            return self.cut(class * STEP);
        }
        // SAFETY: a freed block holds the address of the next one, or null.
        self.freed[class] = unsafe { block.cast::<*mut u8>().read() };
        block
    }

    #[inline(always)]
    fn give(&mut self, block: *mut u8, class: usize) {
        // SAFETY: a block of every class but 0 has room for an address, and nobody uses it any more.
        unsafe { block.cast::<*mut u8>().write(self.freed[class]) };
        self.freed[class] = block;
    }

    #[inline(always)]
    fn cut(&mut self, size: usize) -> *mut u8 {
        if self.left < size && !self.refill() {
            return null_mut();
        }
        let block = self.next;
        // SAFETY: `left` says that this many bytes of the chunk follow.
        self.next = unsafe { block.add(size) };
        self.left -= size;
        block
    }

    /// Gets another chunk. What is left of the last one is too small to be worth keeping.
    #[cold]
    #[inline(never)]
    fn refill(&mut self) -> bool {
        let Ok(layout) = Layout::from_size_align(CHUNK, STEP) else {
            return false;
        };
        // SAFETY: the layout is not empty.
        self.next = unsafe { System.alloc(layout) };
        self.left = if self.next.is_null() { 0 } else { CHUNK };
        self.left > 0
    }
}

// SAFETY: small blocks are cut from chunks without overlap and reused only after they were freed, with
// their class decided by size alone, which the caller names truly; all others are the system's.
unsafe impl GlobalAlloc for Memory {
    #[inline(always)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match class(layout) {
            // SAFETY: one thread, and nothing in here allocates from this allocator.
            Some(class) => told(unsafe { (*self.small.get()).take(class) }),
            None => large(layout),
        }
    }

    #[inline(always)]
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        match class(layout) {
            // SAFETY: as in `alloc`; the caller is done with the block.
            Some(class) => unsafe { (*self.small.get()).give(ptr, class) },
            // SAFETY: it came from the system, because its layout is not small.
            None => unsafe { System.dealloc(ptr, layout) },
        }
    }

    #[inline(always)]
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Ok(wanted) = Layout::from_size_align(size, layout.align()) else {
            return told(null_mut());
        };
        match (class(layout), class(wanted)) {
            (Some(has), Some(wants)) if has == wants => ptr,
            (None, None) => regrown(ptr, layout, size),
            _ => {
                // SAFETY: both blocks are as long as the shorter of them, and they are not the same.
                unsafe {
                    let block = self.alloc(wanted);
                    if !block.is_null() {
                        copy_nonoverlapping(ptr, block, layout.size().min(size));
                        self.dealloc(ptr, layout);
                    }
                    block
                }
            }
        }
    }
}

#[inline(never)]
fn large(layout: Layout) -> *mut u8 {
    // SAFETY: it is larger than nothing, or aligned more than small blocks are and not empty.
    paid(unsafe { System.alloc(layout) }, layout.size())
}

#[inline(never)]
fn regrown(ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
    // SAFETY: it came from the system, because its layout is not small.
    paid(unsafe { System.realloc(ptr, layout, size) }, size)
}

/// Pays for `block`.
fn paid(block: *mut u8, size: usize) -> *mut u8 {
    if size >= LARGE && !block.is_null() {
        let mut rounds = size / 64;
        while rounds > 0 {
            rounds = black_box(rounds - 1);
        }
    }
    told(block)
}

/// Tells the host if there is no `block`.
#[inline(always)]
fn told(block: *mut u8) -> *mut u8 {
    if NonNull::new(block).is_none() {
        exhausted();
    }
    block
}

/// Tells the host that memory ran out.
#[cold]
#[inline(never)]
fn exhausted() {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::memory_grow(0, 0xffff);
}

/// Makes panics about sizes that no memory could hold look like what they are: of collections, and of numbers that are to be
/// written with more digits than Rust or minijinja count.
pub fn watch_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload().downcast_ref::<&str>().copied().unwrap_or_default();
        let place = panic.location().map(|place| place.file()).unwrap_or_default();
        let of_a_format =
            ["formatting.rs", "/fmt/", "flt2dec"].iter().any(|part| place.contains(part));
        if message.contains("capacity overflow") || of_a_format {
            exhausted();
        }
    }));
}
