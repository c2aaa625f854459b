//! The model: any operations, in any order, are answered by a backend as they are by the reference.
//!
//! A sequence of steps is drawn at random, played on an empty store of each, and every answer
//! compared, errors included; then all that can be read. What fails is cut down to the shortest sequence that
//! still does, and told with the seed that drew it. `PX0_MODEL_CASES` says how many sequences are drawn,
//! `PX0_MODEL_SEED` which ones: without it they are the same in every run.

mod copies;
mod deeds;
mod hand;

use std::{fmt::Write, time::Duration};

use libtest_mimic::{Failed, Trial};
use parking_lot::Mutex;
use proptest::{
    collection::vec,
    prelude::any,
    strategy::Strategy,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner},
};

use self::{
    copies::Copies,
    deeds::{Deed, play},
    hand::{Hand, Pools},
};
use crate::{
    archives::records,
    backends::{Backend, REFERENCE, runtime},
    portrait::differences,
    world::World,
};

/// Sequences that are drawn when nobody says how many: about ten seconds of them.
const CASES: u32 = 128;

/// The most steps of a sequence.
const STEPS: usize = 50;

/// How many tests share the sequences, so that all cores have work.
const PARTS: u32 = 4;

/// One step: what is done, and the dice that say to whom and how.
#[derive(Clone, Debug)]
struct Step {
    deed: Deed,
    dice: [u8; 10],
}

/// The tests of a backend; the reference has none.
pub(crate) fn trials(backend: &'static dyn Backend) -> Vec<Trial> {
    if backend.name() == REFERENCE.name() {
        return Vec::new();
    }
    let part = |number| {
        let law = "any_operations_are_answered_as_by_the_reference";
        let name = format!("{}::model::{law}_{number}", backend.name());
        Trial::test(name, move || run(backend, number))
    };
    (1..=PARTS).map(part).collect()
}

/// Draws and plays one part of the sequences.
fn run(backend: &'static dyn Backend, part: u32) -> Result<(), Failed> {
    let cases = setting("PX0_MODEL_CASES")?.unwrap_or(CASES);
    let seed = setting("PX0_MODEL_SEED")?.unwrap_or(0_u64);
    let config = Config {
        cases: cases.div_ceil(PARTS),
        max_shrink_iters: 5_000,
        max_shrink_time: 60_000,
        failure_persistence: None,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..12].copy_from_slice(&part.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);

    let step = (deeds::any_deed(), any::<[u8; 10]>()).prop_map(|(deed, dice)| Step { deed, dice });
    // Every other sequence has all its steps, and still can be cut down to one.
    let steps = vec(step, 1..=2 * STEPS).prop_map(|mut steps| {
        steps.truncate(STEPS);
        steps
    });
    let table = Mutex::new(None);
    let compare = |steps: Vec<Step>| runtime().block_on(compare(backend, &steps, &table));
    match TestRunner::new_with_rng(config, rng).run(&steps, compare) {
        Ok(()) if table.lock().as_ref().is_some_and(|table: &Table| table.copies.useless()) => {
            Err(Failed::from("no copy was ever used: the store does not tell"))
        }
        Ok(()) => Ok(()),
        Err(TestError::Fail(why, steps)) => Err(Failed::from(format!(
            "after {} steps (PX0_MODEL_SEED={seed} PX0_MODEL_CASES={cases}, part {part}): {why}",
            steps.len(),
        ))),
        Err(error) => Err(error.into()),
    }
}

fn setting<T: std::str::FromStr>(name: &str) -> Result<Option<T>, Failed> {
    let Ok(text) = std::env::var(name) else {
        return Ok(None);
    };
    text.parse().map(Some).map_err(|_| format!("{name} must be a number, not {text:?}").into())
}

/// Where a backend plays: an empty store, and copies of what is in it.
struct Table {
    world: World,
    copies: Copies,
}

impl Table {
    /// That of the sequence before, if it can be cleared; else a new one.
    async fn lay(backend: &'static dyn Backend, before: Option<Self>) -> Self {
        if let Some(before) = before
            && before.world.empty().await
        {
            before.copies.forget();
            return before;
        }
        let world = World::new(backend).await;
        let copies = Copies::of(&*world);
        Self { world, copies }
    }
}

/// Plays a sequence on both and holds that both say the same.
async fn compare(
    backend: &'static dyn Backend,
    steps: &[Step],
    table: &Mutex<Option<Table>>,
) -> Result<(), TestCaseError> {
    let reference = World::new(&REFERENCE).await;
    let before = table.lock().take();
    let laid = Table::lay(backend, before).await;
    let (other, copies) = (&laid.world, &laid.copies);
    let mut pools = Pools::default();
    let mut told = String::new();
    let fail = |what: &str, told: &str, how: &str, pools: &Pools| {
        // What every sequence begins with is not told: `hand::beginning` says it.
        let story = pools.label(format!("{} {what}\n{told}{how}", backend.name()));
        Err(TestCaseError::fail(story))
    };

    let mut at = reference.now();
    let beginning = hand::beginning();
    for (number, step) in beginning.iter().chain(steps).enumerate() {
        // Some things happen at one time, some long after each other.
        at = at.plus(Duration::from_secs([0, 1, 70][usize::from(step.dice[9]) % 3]));
        let mut hand = Hand::new(&pools, &step.dice, at);
        let expected = play(&*reference, step.deed, &mut hand).await;
        let made = hand.made;
        let got = play(&**other, step.deed, &mut Hand::new(&pools, &step.dice, at)).await;

        if number >= beginning.len() || got != expected {
            let _ = writeln!(told, "{number:>3} {}\n      {}", expected.call, expected.answer);
        }
        if expected.failed || got != expected {
            let how = format!("  not {}", got.answer);
            return fail("answers otherwise", &told, &how, &pools);
        }
        let fine = expected.ok || number >= beginning.len();
        assert!(fine, "the beginning fails at {}: {}", expected.call, expected.answer);
        if expected.ok {
            pools.take(made);
        }
        // What is old stays old until it is changed again: now and then is often enough.
        if number % 4 == 0
            && let Some(old) = copies.compare(&**other, &pools.seen).await
        {
            return fail("has an old copy", &told, &old, &pools);
        }
    }

    reference.seen_mut().clone_from(&pools.seen);
    other.seen_mut().clone_from(&pools.seen);
    let differences = differences(&reference.portrait().await, &other.portrait().await);
    if !differences.is_empty() {
        return fail("shows something else", &told, &differences, &pools);
    }
    if records(&*reference).await != records(&**other).await {
        return fail("exports something else", &told, "", &pools);
    }
    // The laws look closer, each on its own; here it has to be quick.
    let problems = (reference.check().await.unwrap(), other.check().await.unwrap());
    if !problems.0.is_empty() || !problems.1.is_empty() {
        return fail("is out of order", &told, &format!("{problems:?}"), &pools);
    }
    *table.lock() = Some(laid);
    Ok(())
}
