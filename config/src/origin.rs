//! Web pages that may call from a browser.

use url::{Origin, Url};

/// Refuses what no browser sends as the `Origin` of a page: a browser writes it in one way only, and px0 compares texts.
///
/// # Errors
/// What is wrong with it, and what to write.
pub(crate) fn check(text: &str) -> Result<(), String> {
    if text == "*" {
        return Err("`*` is not possible: list each origin, such as `https://console.example.com`"
            .to_owned());
    }
    let expected = "expected an origin, such as `https://console.example.com`";
    let sent = Url::parse(text).ok().and_then(|url| match url.origin() {
        origin @ Origin::Tuple(..) => Some(origin.ascii_serialization()),
        // Of an app or a browser extension, such as `tauri://localhost`.
        Origin::Opaque(_) => {
            let host = url.host_str().filter(|host| !host.is_empty())?;
            Some(format!("{}://{host}", url.scheme()))
        }
    });
    match sent {
        Some(sent) if sent == text => Ok(()),
        Some(sent) => Err(format!("{expected}, but found `{text}`; did you mean `{sent}`?")),
        None => Err(format!("{expected}, but found `{text}`")),
    }
}
