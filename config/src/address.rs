//! Where a server listens.

use std::{fmt, net::SocketAddr, str::FromStr};

use serde::Deserialize;

/// A host and a port: an IP address (an IPv6 one in brackets) or a name that is looked up when px0 starts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum ListenAddr {
    /// By IP address.
    Ip(SocketAddr),
    /// By name.
    Name {
        /// Such as `localhost`.
        host: String,
        /// 0 has the system choose one.
        port: u16,
    },
}

impl From<SocketAddr> for ListenAddr {
    fn from(addr: SocketAddr) -> Self {
        Self::Ip(addr)
    }
}

impl FromStr for ListenAddr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(addr) = text.parse() {
            return Ok(Self::Ip(addr));
        }
        let named = text.rsplit_once(':').filter(|(host, _)| is_name(host));
        match named.and_then(|(host, port)| Some((host, port.parse().ok()?))) {
            Some((host, port)) => Ok(Self::Name { host: host.to_owned(), port }),
            None => Err(format!(
                "expected a host and a port, such as `127.0.0.1:8000`, `[::1]:8000` or `localhost:8000`, but found `{text}`"
            )),
        }
    }
}

impl TryFrom<String> for ListenAddr {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(addr) => addr.fmt(f),
            Self::Name { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

/// Whether this can be the name of a host: labels of letters, digits, `-` and `_`. When the last one is a number, it is an IP
/// address that was mistyped.
fn is_name(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    let last = host.rsplit('.').next().unwrap_or_default();
    host.len() <= 253 && host.split('.').all(label) && !last.bytes().all(|b| b.is_ascii_digit())
}
