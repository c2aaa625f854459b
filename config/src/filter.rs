//! What the log has in it.

use tracing_subscriber::{EnvFilter, filter::LevelFilter};

/// Refuses what is no filter. `EnvFilter` takes a word that is no level for the name of a part of px0, of which everything is
/// logged, and of all others nothing: a level that was misspelt would turn the log off.
///
/// # Errors
/// What to write.
pub(crate) fn check(text: &str) -> Result<(), String> {
    const EXPECTED: &str = "write a level (`error`, `warn`, `info`, `debug`, `trace` or `off`), and behind it, if you like, levels of \
                            parts, as in `info,px0::access=warn`";
    let mut directives = text.split(',').map(str::trim).filter(|directive| !directive.is_empty());
    let is_level = |word: &str| word.parse::<LevelFilter>().is_ok();
    let is_word = |directive: &str| !directive.contains(['=', '[']);
    if let Some(word) = directives.clone().find(|word| is_word(word) && !is_level(word)) {
        return Err(format!("`{word}` is no level; {EXPECTED}"));
    }
    if directives.next().is_none() {
        return Err(format!("it is empty; {EXPECTED}"));
    }
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("`{text}` is no filter; {EXPECTED}")),
    }
}
