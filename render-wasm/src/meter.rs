//! What calls out of WebAssembly cost.
//!
//! What the host does for a guest is the guest's doing, and is paid for in its fuel: a base for each call, and every byte that goes
//! over. wasmtime gives a guest a new slice whenever its fuel is set, so calls out are also where a guest that calls often
//! enough would never give up control: the meter sees to it that it does.

use std::{future::poll_fn, task::Poll};

use wasmtime::{Error, StoreContextMut, Trap};

use crate::{guard::Guard, turn::SLICE};

/// Instructions that a call out costs at least: about what the crossing takes.
const CALL: u64 = 2_000;

/// What a guest has spent since it last gave up control.
#[derive(Default)]
pub(crate) struct Meter {
    /// What it had left when this was last looked at.
    left: Option<u64>,
    spent: u64,
}

/// The data of a store whose guests call out.
pub trait Guarded {
    /// Its guard.
    fn guard(&mut self) -> &mut Guard;
}

impl Guarded for Guard {
    fn guard(&mut self) -> &mut Guard {
        self
    }
}

/// Instructions that it costs to call out with so many bytes.
pub(crate) fn price(bytes: usize) -> u64 {
    CALL.saturating_add(bytes as u64)
}

/// Takes what a call out with so many bytes costs out of the fuel, and what it `took` besides, and gives up control for each slice
/// that was spent since that last happened.
///
/// # Errors
/// There is not so much left.
pub async fn charge<T: Guarded>(
    store: &mut StoreContextMut<'_, T>,
    bytes: usize,
    took: u64,
) -> Result<(), Error> {
    let fuel = store.get_fuel()?;
    let left = fuel.checked_sub(price(bytes).saturating_add(took)).ok_or(Trap::OutOfFuel)?;
    store.set_fuel(left)?;
    let meter = &mut store.data_mut().guard().meter;
    let spent = meter.left.map_or(0, |before| before.saturating_sub(left));
    // Of what the call took, it has given up control for each whole slice by itself.
    meter.spent += spent.saturating_sub(took - took % SLICE);
    meter.left = Some(left);
    let slices = meter.spent / SLICE;
    meter.spent %= SLICE;
    // As often as if the guest had spent it by itself: what is not short is told by it.
    for _ in 0..slices {
        give_way().await;
    }
    Ok(())
}

/// Is pending once.
async fn give_way() {
    let mut gave_way = false;
    poll_fn(|context| {
        if gave_way {
            return Poll::Ready(());
        }
        gave_way = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
