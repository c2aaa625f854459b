//! What a template may call: the tables of filters, tests and functions.
//!
//! A table answers three questions from one list: is there a callable of this name, what is it (as
//! a constant that the rewritten template calls directly), and how is it made known to minijinja by
//! name (for `map("upper")`, `select("odd")` and filter blocks, which look it up while rendering).

use minijinja::{Environment, Value, filters, functions, tests};

use crate::{
    callables,
    strict::{Looks, Strict, WhenMissing},
    tojson::tojson,
};

macro_rules! table {
    (
        $(#[$doc:meta])*
        $module:ident, $register:ident:
        $($($name:literal)|+ => $function:expr, $when:ident $(($looks:ident))?;)*
    ) => {
        $(#[$doc])*
        pub(crate) mod $module {
            use super::*;

            /// All names, sorted.
            pub(crate) const NAMES: &[&str] = &[$($($name),+),*];

            /// The callable called `name`.
            pub(crate) fn find(name: &str) -> Option<Value> {
                match name {
                    $($($name)|+ => Some(Strict::wrap(
                        [$($name),+][0],
                        Value::from_function($function),
                        WhenMissing::$when$((Looks::$looks))?,
                    )),)*
                    _ => None,
                }
            }

            table! { @register $register: $($($name)|+ => $function;)* }
        }
    };
    // Functions are never looked up by name while rendering.
    (@register none: $($rest:tt)*) => {};
    (@register $register:ident: $($($name:literal)|+ => $function:expr;)*) => {
        /// Makes the callable called `name` known to `env` by that name.
        pub(crate) fn register(env: &mut Environment<'static>, name: &str) {
            match name {
                $($($name)|+ => { $(env.$register($name, $function);)+ })*
                _ => {}
            }
        }
    };
}

table! {
    /// The filters.
    filter, add_filter:
    "abs" => filters::abs, Pass;
    "attr" => filters::attr, Pass;
    "batch" => filters::batch, Pass;
    "bool" => filters::bool, Pass;
    "capitalize" => filters::capitalize, Pass;
    "chain" => callables::chain, Pass;
    "count" | "length" => filters::length, Pass;
    "d" | "default" => callables::default, Call;
    "dictsort" => filters::dictsort, Pass;
    "e" | "escape" => filters::escape, Pass;
    "first" => filters::first, Pass;
    "float" => filters::float, Pass;
    "format" => filters::format, Pass;
    "groupby" => callables::groupby, Items(Named);
    "indent" => filters::indent, Pass;
    "int" => filters::int, Pass;
    "items" => filters::items, Pass;
    "join" => filters::join, Pass;
    "last" => filters::last, Pass;
    "lines" => filters::lines, Pass;
    "list" => filters::list, Pass;
    "lower" => filters::lower, Pass;
    "map" => callables::map, Items(Mapped);
    "max" => filters::max, Items(Compared);
    "min" => filters::min, Items(Compared);
    "pprint" => filters::pprint, Pass;
    "reject" => filters::reject, Items(Tested);
    "rejectattr" => filters::rejectattr, Items(TestedNamed);
    "replace" => filters::replace, Pass;
    "reverse" => filters::reverse, Pass;
    "round" => filters::round, Pass;
    "safe" => filters::safe, Pass;
    "select" => filters::select, Items(Tested);
    "selectattr" => filters::selectattr, Items(TestedNamed);
    "slice" => filters::slice, Pass;
    "sort" => filters::sort, Items(Compared);
    "split" => filters::split, Pass;
    "string" => filters::string, Pass;
    "sum" => filters::sum, Items(Named);
    "title" => filters::title, Pass;
    "tojson" => tojson, Pass;
    "trim" => callables::trim, Pass;
    "unique" => filters::unique, Items(Compared);
    "upper" => filters::upper, Pass;
    "urlencode" => filters::urlencode, Pass;
    "zip" => filters::zip, Pass;
}

table! {
    /// The tests.
    test, add_test:
    "boolean" => tests::is_boolean, Fail;
    "defined" => callables::is_defined, Call;
    "divisibleby" => tests::is_divisibleby, Fail;
    "endingwith" => tests::is_endingwith, Fail;
    "eq" | "equalto" | "==" => tests::is_eq, Fail;
    "escaped" | "safe" => tests::is_safe, Fail;
    "even" => tests::is_even, Fail;
    "false" => tests::is_false, Fail;
    "filter" => callables::is_filter, Fail;
    "float" => tests::is_float, Fail;
    "ge" | ">=" => tests::is_ge, Fail;
    "greaterthan" | "gt" | ">" => tests::is_gt, Fail;
    "in" => callables::is_in, Fail;
    "int" | "integer" => tests::is_integer, Fail;
    "iterable" => tests::is_iterable, Fail;
    "le" | "<=" => tests::is_le, Fail;
    "lessthan" | "lt" | "<" => tests::is_lt, Fail;
    "lower" => tests::is_lower, Fail;
    "mapping" => tests::is_mapping, Fail;
    "ne" | "!=" => tests::is_ne, Fail;
    "none" => callables::is_none, Call;
    "number" => tests::is_number, Fail;
    "odd" => tests::is_odd, Fail;
    "sameas" => tests::is_sameas, Fail;
    "sequence" => tests::is_sequence, Fail;
    "startingwith" => tests::is_startingwith, Fail;
    "string" => tests::is_string, Fail;
    "test" => callables::is_test, Fail;
    "true" => tests::is_true, Fail;
    "undefined" => callables::is_undefined, Call;
    "upper" => tests::is_upper, Fail;
}

table! {
    /// The functions. `dict` and `namespace` only keep what they are given, so they need none of it.
    function, none:
    "dict" => functions::dict, Call;
    "namespace" => functions::namespace, Call;
    "raise_exception" => callables::raise_exception, Pass;
    "range" => functions::range, Pass;
}

/// The one of `names` that `name` was probably meant to be.
pub(crate) fn nearest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let allowed = 1 + name.len() / 4;
    names
        .map(|known| (distance(name, known), known))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, known)| known)
}

/// How many letters must be added, dropped or changed to make one name of the other.
fn distance(left: &str, right: &str) -> usize {
    if left.len().abs_diff(right.len()) > 3 || left.len() > 40 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (at, a) in left.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (to, b) in right.bytes().enumerate() {
            let changed = diagonal + usize::from(a != b);
            diagonal = row[to + 1];
            row[to + 1] = changed.min(diagonal + 1).min(row[to] + 1);
        }
    }
    row[right.len()]
}
