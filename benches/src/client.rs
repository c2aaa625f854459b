//! A connection that is opened when it is needed, and again when it was lost.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, StatusCode, client::conn::http1::SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpSocket, TcpStream};

/// What is sent.
#[derive(Clone, Debug)]
pub struct Call {
    /// `GET`, `POST`, …
    pub method: hyper::Method,
    /// From the slash on.
    pub path: String,
    /// The bearer token, if any.
    pub token: Option<String>,
    /// The body, sent as JSON; empty is none.
    pub body: Bytes,
}

impl Call {
    fn request(&self, host: &str) -> Request<Full<Bytes>> {
        let mut request = Request::builder()
            .method(&self.method)
            .uri(&self.path)
            .header(hyper::header::HOST, host);
        if let Some(token) = &self.token {
            request = request.header(hyper::header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if !self.body.is_empty() {
            request = request.header(hyper::header::CONTENT_TYPE, "application/json");
        }
        request.body(Full::new(self.body.clone())).unwrap()
    }
}

/// An honest client of one server: one connection, one request at a time.
pub struct Client {
    addr: SocketAddr,
    host: String,
    source: Option<IpAddr>,
    open: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    /// How long an answer is waited for.
    pub const PATIENCE: Duration = Duration::from_secs(30);

    /// A client of the server at `addr`; nothing is opened yet.
    pub fn new(addr: SocketAddr) -> Self {
        Self { addr, host: addr.to_string(), source: None, open: None }
    }

    /// The same from another address of this machine, such as 127.0.0.2.
    #[must_use]
    pub fn from(self, source: Ipv4Addr) -> Self {
        Self { source: Some(source.into()), ..self }
    }

    /// Opens the connection, unless it is open.
    ///
    /// # Errors
    /// Why it cannot be opened.
    pub async fn open(&mut self) -> io::Result<()> {
        if let Some(open) = &mut self.open
            && open.ready().await.is_ok()
        {
            return Ok(());
        }
        let stream = connect(self.addr, self.source).await?;
        let (send, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        // An error of the connection is an error of its request, where it is counted.
        tokio::spawn(async { drop(connection.await) });
        self.open = Some(send);
        Ok(())
    }

    /// Closes the connection.
    pub fn close(&mut self) {
        self.open = None;
    }

    /// Sends a request and waits for the whole answer.
    ///
    /// # Errors
    /// When there is none in time; the connection is lost then.
    pub async fn call(&mut self, call: &Call) -> io::Result<(StatusCode, Bytes)> {
        let answered = tokio::time::timeout(Self::PATIENCE, self.try_to(call)).await;
        let answered = answered.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        if answered.is_err() {
            self.close();
        }
        answered
    }

    async fn try_to(&mut self, call: &Call) -> io::Result<(StatusCode, Bytes)> {
        self.open().await?;
        let open = self.open.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        let answer = open.send_request(call.request(&self.host)).await.map_err(io::Error::other)?;
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(io::Error::other)?;
        Ok((status, body.to_bytes()))
    }
}

/// Opens a connection, from an address of this machine if one is given.
///
/// # Errors
/// Why it cannot be opened.
pub async fn connect(addr: SocketAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if let Some(source) = source {
        socket.set_reuseaddr(true)?;
        socket.bind((source, 0).into())?;
    }
    let stream = socket.connect(addr).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
