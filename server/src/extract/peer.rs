use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, request::Parts},
};
use px0_config::TrustedProxies;
use px0_core::network::Network;

use crate::{App, error::ApiError};

/// The address at the other end of the connection; the accept loop puts it into every request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PeerAddr(pub SocketAddr);

/// The network that a request comes from: of the connection's other end, or, if that is a proxy that is trusted, of who the
/// proxy says.
pub(crate) struct Peer(pub Network);

impl FromRequestParts<App> for Peer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        Ok(Self::of(parts, app))
    }
}

impl Peer {
    /// Who sent the request.
    pub(super) fn of(parts: &Parts, app: &App) -> Self {
        let connection = parts.extensions.get::<PeerAddr>().map(|peer| peer.0.ip());
        let connection = connection.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let proxies = &app.http.trusted_proxies;
        if !proxies.contains(connection) && parts.headers.contains_key(FORWARDED_FOR) {
            app.one_address.forwarded_by(connection);
        }
        Self(Network::of(peer(connection, &parts.headers, proxies)))
    }
}

const FORWARDED_FOR: &str = "x-forwarded-for";

/// Who asks. Each proxy adds at the right whom it was asked by, so from the right the first that is not itself a trusted proxy is
/// who asks; what stands left of it anybody may have written.
fn peer(connection: IpAddr, headers: &HeaderMap, proxies: &TrustedProxies) -> IpAddr {
    let values = headers.get_all(FORWARDED_FOR).iter().rev();
    let entries = values.flat_map(|value| value.to_str().unwrap_or_default().rsplit(','));
    let mut peer = connection;
    for entry in entries {
        if !proxies.contains(peer) {
            break;
        }
        match address(entry.trim()) {
            Some(before) => peer = before,
            None => break,
        }
    }
    peer
}

/// An address, with a port or without.
fn address(text: &str) -> Option<IpAddr> {
    let with_port = || text.parse().map(|address: SocketAddr| address.ip());
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    text.parse().or_else(|_| with_port()).ok().or_else(in_brackets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer_of(connection: &str, forwarded: &[&'static str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, value.parse().expect("a header"));
        }
        let proxies = TrustedProxies::parse(trusted.iter().copied()).expect("proxies");
        peer(connection.parse().expect("an address"), &headers, &proxies).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        assert_eq!(peer_of("192.0.2.1", &["198.51.100.7"], &[]), "192.0.2.1");
        assert_eq!(peer_of("192.0.2.1", &["198.51.100.7"], &["192.0.2.2"]), "192.0.2.1");
        assert_eq!(peer_of("192.0.2.1", &["198.51.100.7"], &["192.0.2.0/24"]), "198.51.100.7");
        assert_eq!(peer_of("192.0.2.1", &[], &["192.0.2.0/24"]), "192.0.2.1");
    }

    #[test]
    fn the_first_from_the_right_that_is_no_proxy_counts() {
        let trusted = ["10.0.0.0/8", "127.0.0.1"];
        let cases: [(&[&'static str], &str); 9] = [
            (&["198.51.100.7, 10.0.0.2"], "198.51.100.7"),
            (&["203.0.113.5, 198.51.100.7,10.0.0.2, 10.0.0.3"], "198.51.100.7"),
            (&["203.0.113.5", "198.51.100.7", "10.0.0.2"], "198.51.100.7"),
            (&["10.0.0.9, 10.0.0.2"], "10.0.0.9"),
            (&["198.51.100.7:4711"], "198.51.100.7"),
            (&["[2001:db8::1]:4711, 10.0.0.2"], "2001:db8::1"),
            (&["[2001:db8::1]"], "2001:db8::1"),
            (&["198.51.100.7, unknown, 10.0.0.2"], "10.0.0.2"),
            (&["nonsense"], "127.0.0.1"),
        ];
        for (forwarded, expected) in cases {
            assert_eq!(peer_of("127.0.0.1", forwarded, &trusted), expected, "{forwarded:?}");
        }
    }
}
