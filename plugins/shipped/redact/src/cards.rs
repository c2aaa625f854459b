//! Payment card numbers.

use std::ops::{Range, RangeInclusive};

use crate::findings::Finding;

/// How many digits a card number has.
const DIGITS: RangeInclusive<usize> = 13..=19;

/// How many digits a group of a number has at least, if it is written in groups: dates and telephone
/// numbers have shorter ones.
const GROUP: usize = 3;

/// Adds the card numbers in `text`.
///
/// A number is one group of digits, or groups of at least three with single spaces or single dashes
/// between them. It begins with a digit that card networks use (2 to 6), its check digit is right, and
/// it is not part of a word or of a decimal fraction.
pub(crate) fn find(text: &str, found: &mut Vec<Finding<'_>>) {
    let bytes = text.as_bytes();
    let (mut end, mut at) = (0, 0);
    // A number has a digit in any two bytes that follow each other, so few of them need a look.
    while let Some(pair) = bytes.get(at..at + 2) {
        match pair.iter().position(u8::is_ascii_digit) {
            None => at += DIGITS.start() - 1,
            Some(digit) => {
                let groups = groups(bytes, start(bytes, end, at + digit));
                in_groups(bytes, &groups, found);
                end = groups.last().map_or(at, |group| group.range.end);
                at = end + 1;
            }
        }
    }
}

/// Where the groups begin that the digit at `at` is in; they are known to begin at `from` or later.
fn start(bytes: &[u8], from: usize, at: usize) -> usize {
    let mut start = at;
    loop {
        start -= match &bytes[from..start] {
            [.., b'0'..=b'9'] => 1,
            [.., b'0'..=b'9', b' ' | b'-'] => 2,
            _ => return start,
        }
    }
}

/// Digits without anything between them.
struct Group {
    range: Range<usize>,
    /// Sums of the digits up to here, and with these.
    before: Sums,
    after: Sums,
}

/// The groups of digits from `start` on, with one byte between them. A short one has no others.
fn groups(bytes: &[u8], start: usize) -> Vec<Group> {
    let mut groups = Vec::new();
    let (mut from, mut before) = (start, Sums::default());
    loop {
        let (mut end, mut after) = (from, before);
        while let Some(digit @ b'0'..=b'9') = bytes.get(end) {
            after.add(u32::from(digit - b'0'));
            end += 1;
        }
        groups.push(Group { range: from..end, before, after });
        match bytes.get(end..end + 2) {
            Some([b' ' | b'-', b'0'..=b'9']) if end - from >= GROUP => {
                (from, before) = (end + 1, after)
            }
            _ => return groups,
        }
    }
}

/// Adds the card numbers that some of the groups are, from left to right, the longest first: digits
/// that stand before or after one are not part of it.
fn in_groups(bytes: &[u8], groups: &[Group], found: &mut Vec<Finding<'_>>) {
    let mut rest = groups;
    while let Some(first) = rest.first() {
        let separator = bytes.get(first.range.end);
        let mut last = None;
        for (at, group) in rest.iter().enumerate() {
            let short = at > 0 && group.range.len() < GROUP;
            let other = at > 0 && bytes.get(group.range.start - 1) != separator;
            let long = group.after.digits - first.before.digits > *DIGITS.end();
            if short || other || long {
                break;
            }
            let range = first.range.start..group.range.end;
            if group.after.is_card_since(first.before) && stands_alone(bytes, &range) {
                last = Some((at, range));
            }
        }
        let taken = match last {
            // Card networks begin their numbers with 2 to 6.
            Some((at, range)) if matches!(bytes[range.start], b'2'..=b'6') => {
                found.push(Finding { range, kind: "card" });
                at + 1
            }
            _ => 1,
        };
        rest = &rest[taken..];
    }
}

/// What is known of a row of digits.
#[derive(Clone, Copy, Default)]
struct Sums {
    digits: usize,
    /// Luhn's sums, if the digits at even places (from 0) are doubled, and if those at odd ones are:
    /// which it is to be depends on where a number ends.
    sums: [u32; 2],
}

impl Sums {
    fn add(&mut self, digit: u32) {
        let doubled = if digit > 4 { digit * 2 - 9 } else { digit * 2 };
        let (even, odd) =
            if self.digits.is_multiple_of(2) { (doubled, digit) } else { (digit, doubled) };
        self.sums[0] += even;
        self.sums[1] += odd;
        self.digits += 1;
    }

    /// Whether the digits since `before` are as many as a card number has, and the last of them is the
    /// right check digit.
    fn is_card_since(&self, before: Sums) -> bool {
        let doubled = self.digits % 2;
        DIGITS.contains(&(self.digits - before.digits))
            && (self.sums[doubled] - before.sums[doubled]).is_multiple_of(10)
    }
}

/// Whether the range is neither part of a word nor of a decimal fraction.
fn stands_alone(bytes: &[u8], range: &Range<usize>) -> bool {
    let word = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    let digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let before = |steps| range.start.checked_sub(steps).and_then(|at| bytes.get(at));
    let after = |steps: usize| bytes.get(range.end + steps - 1);
    let fraction = (before(1) == Some(&b'.') && digit(before(2)))
        || (after(1) == Some(&b'.') && digit(after(2)));
    !word(before(1)) && !word(after(1)) && !fraction
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What looking at every byte finds.
    fn slowly(text: &str) -> Vec<Finding<'_>> {
        let bytes = text.as_bytes();
        let mut found = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            if bytes[at].is_ascii_digit() {
                let groups = groups(bytes, at);
                in_groups(bytes, &groups, &mut found);
                at = groups.last().unwrap().range.end;
            }
            at += 1;
        }
        found
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn no_number_is_overlooked(text in "([ x.-]{0,15}(4111111111111111|4111 1111 1111 1111|4222222222222|[0-9]{1,7})){0,8}") {
            let mut found = Vec::new();
            find(&text, &mut found);
            prop_assert_eq!(found, slowly(&text));
        }
    }
}
