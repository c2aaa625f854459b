//! `memcmp`, eight bytes at a time: the one that Rust brings for this target goes byte by byte, and names are compared all the time.

use core::cmp::Ordering;

/// As in C.
///
/// # Safety
/// `left` and `right` can be read for `count` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, count: usize) -> i32 {
    let mut at = 0;
    while at + 8 <= count {
        // SAFETY: eight more bytes can be read, at any alignment.
        let (a, b) = unsafe {
            let (left, right) = (left.add(at).cast::<u64>(), right.add(at).cast::<u64>());
            (left.read_unaligned(), right.read_unaligned())
        };
        if a != b {
            // The first byte of each is the one that counts most.
            return order(a.swap_bytes().cmp(&b.swap_bytes()));
        }
        at += 8;
    }
    while at < count {
        // SAFETY: one more byte can be read.
        let (a, b) = unsafe { (*left.add(at), *right.add(at)) };
        if a != b {
            return order(a.cmp(&b));
        }
        at += 1;
    }
    0
}

fn order(order: Ordering) -> i32 {
    order as i32
}
