use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::{extract::FromRequestParts, http::request::Parts};

use crate::{App, error::ApiError};

/// The address at the other end of the connection; the accept loop puts it into every request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PeerAddr(pub SocketAddr);

/// Where a request comes from: the connection's other end, or what the proxy in front says.
pub(crate) struct Peer(pub IpAddr);

impl FromRequestParts<App> for Peer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let connection = parts.extensions.get::<PeerAddr>().map(|peer| peer.0.ip());
        let forwarded = parts.headers.get_all("x-forwarded-for").iter().next_back();
        let said = forwarded
            .filter(|_| app.http.trust_forwarded_for)
            .and_then(|value| value.to_str().ok()?.rsplit(',').next()?.trim().parse().ok());
        Ok(Self(said.or(connection).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))))
    }
}
