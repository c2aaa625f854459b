//! Where px0 listens, and what an operator is told when it cannot.

use std::{io, net::SocketAddr};

use px0_config::ListenAddr;
use tokio::net::{TcpListener, lookup_host};

/// A setting that says where to listen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AddrSetting {
    key: &'static str,
    variable: &'static str,
    /// What else it can say than another address.
    instead: &'static str,
}

impl AddrSetting {
    /// Where the API is.
    pub(crate) const HTTP: Self =
        Self { key: "http.addr", variable: "PX0_HTTP__ADDR", instead: "" };
    /// Where metrics are.
    pub(crate) const METRICS: Self = Self {
        key: "telemetry.addr",
        variable: "PX0_TELEMETRY__ADDR",
        instead: ", or to nothing to serve no metrics",
    };
}

/// An address cannot be had: what is wrong, and which setting to change.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {addr}: {}; {}set {} ({}) to {}{}",
    self.why(), if self.is_taken() { "stop that one, or " } else { "" },
    setting.key, setting.variable, "another address", setting.instead)]
pub struct ListenError {
    addr: ListenAddr,
    setting: AddrSetting,
    source: io::Error,
}

impl ListenError {
    fn is_taken(&self) -> bool {
        self.source.kind() == io::ErrorKind::AddrInUse
    }

    fn why(&self) -> String {
        let why = match self.source.kind() {
            io::ErrorKind::AddrInUse => "another program listens there, perhaps another px0",
            io::ErrorKind::AddrNotAvailable => "this machine has no such address",
            io::ErrorKind::PermissionDenied => {
                "the system does not allow it (ports below 1024 need a privilege)"
            }
            _ => return self.source.to_string(),
        };
        why.to_owned()
    }
}

/// Listens; answers with the address, in which a port 0 is the one that the system chose.
pub(crate) async fn listen(
    setting: AddrSetting,
    addr: &ListenAddr,
) -> Result<(TcpListener, SocketAddr), ListenError> {
    let listening = async {
        let listener = TcpListener::bind(resolve(addr).await?).await?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    };
    listening.await.map_err(|source| ListenError { addr: addr.clone(), setting, source })
}

/// The one address that is meant. Of a name that has several it is an IPv4 one, which every client can reach. When it is taken, no
/// other one is tried: px0 would be where nobody looks for it.
async fn resolve(addr: &ListenAddr) -> io::Result<SocketAddr> {
    let (host, port) = match addr {
        ListenAddr::Ip(addr) => return Ok(*addr),
        ListenAddr::Name { host, port } => (host.as_str(), *port),
    };
    // The resolver's own words are about its inside.
    let unknown = || io::Error::new(io::ErrorKind::NotFound, "no address is known by this name");
    let found: Vec<_> = lookup_host((host, port)).await.map_err(|_| unknown())?.collect();
    let meant = found.iter().find(|addr| addr.is_ipv4()).or(found.first());
    meant.copied().ok_or_else(unknown)
}
