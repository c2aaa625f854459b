//! The `Host` header, as RFC 9112 (3.2) wants it: HTTP/1.1 requests have one, and only one.
//!
//! What takes a request for another's (a proxy, a cache) goes by this header: px0 takes none that they may read in two ways.

use axum::{
    extract::Request,
    http::{Version, header},
};
use px0_core::{Code, Error};
use serde_json::json;

/// What is wrong with the header, if anything.
pub(crate) fn problem(request: &Request) -> Option<Error> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let why = match (hosts.next(), hosts.next()) {
        (None, _) if request.version() == Version::HTTP_11 => "the request has no host header",
        (None, _) => return None,
        (Some(_), Some(_)) => "the request has more than one host header",
        (Some(host), None) if host.as_bytes().iter().all(is_of_host) => return None,
        (Some(_), None) => "the host header must be a host, with a port if there is one",
    };
    Some(Error::new(Code::InvalidHeader, why).with_details(json!({ "header": "host" })))
}

/// Whether this may be part of a host with its port (RFC 3986, 3.2.2): letters, digits, and a few marks.
fn is_of_host(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(byte)
}
