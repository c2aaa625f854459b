//! Accepts connections and ends them gracefully.
//!
//! Our own loop around hyper, because `axum::serve` has no time-out for request heads: a client that sends
//! its head a byte a minute would hold a connection for ever.

use std::time::Duration;

use axum::{Router, body::Body, http::Request};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tower::ServiceExt;

use crate::extract::PeerAddr;

/// How long a client may take to send the head of a request, or to send the next one on an open connection.
const HEAD: Duration = Duration::from_secs(30);

/// Pause after the system refused a connection (no file descriptors left, say): it needs time to recover.
const BREATH: Duration = Duration::from_millis(50);

/// Serves until `stop` says so, then lets running requests finish for at most `drain`.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    mut stop: watch::Receiver<bool>,
    drain: Duration,
) {
    let graceful = GracefulShutdown::new();
    let stopped = async move {
        // An error says that nobody is left to stop us: that is a reason to stop too.
        let _ = stop.wait_for(|stop| *stop).await.is_ok();
    };
    tokio::pin!(stopped);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let connection = connection(stream, PeerAddr(peer), router.clone());
                    tokio::spawn(graceful.watch(connection));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(BREATH).await;
                }
            },
            () = &mut stopped => break,
        }
    }
    drop(listener);
    if tokio::time::timeout(drain, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not finish in time and were cut off");
    }
}

type Connection = http1::Connection<TokioIo<TcpStream>, Service>;
type Service = hyper_util::service::TowerToHyperService<
    tower::util::BoxCloneService<
        Request<Incoming>,
        axum::response::Response,
        std::convert::Infallible,
    >,
>;

fn connection(stream: TcpStream, peer: PeerAddr, router: Router) -> Connection {
    // Answers are small and wanted now: waiting to fill a packet would cost up to 40 ms.
    let _ = stream.set_nodelay(true);
    let service = router.map_request(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        request
    });
    let service = hyper_util::service::TowerToHyperService::new(service.boxed_clone());
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), service)
}
