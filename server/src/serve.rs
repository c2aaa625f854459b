//! Accepts connections and ends them gracefully.
//!
//! Our own loop around hyper, because `axum::serve` has no time-out for request heads: a client that sends
//! its head a byte a minute would hold a connection for ever.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{Router, body::Body, http::Request, response::Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tower::Service;

use crate::{
    connections::{Connections, Place},
    extract::PeerAddr,
    patient::Patient,
};

/// How long a client may take to send the head of a request, or to send the next one on an open connection.
const HEAD: Duration = Duration::from_secs(30);

/// Most bytes of a request's head, and of a body that are read in one go: what a connection can hold before it is known whose it is.
const BUFFER: usize = 16 * 1024;

/// Pause after the system refused a connection (no file descriptors left, say): it needs time to recover.
const BREATH: Duration = Duration::from_millis(50);

/// Serves until `stop` says so, then lets running requests finish for at most `drain`.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    connections: Arc<Connections>,
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
                    // Who gets no place is hung up on: an answer would cost what there is none of.
                    let Some(place) = connections.enter(peer.ip()) else { continue };
                    serve_connection(stream, PeerAddr(peer), router.clone(), place, &graceful);
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

fn serve_connection(
    stream: TcpStream,
    peer: PeerAddr,
    router: Router,
    place: Place,
    graceful: &GracefulShutdown,
) {
    // Answers are small and wanted now: waiting to fill a packet would cost up to 40 ms.
    let _ = stream.set_nodelay(true);
    let requests = place.requests();
    let service = service_fn(move |request: Request<Incoming>| {
        let running = requests.begin();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        let answer = router.clone().call(request);
        async move {
            let answer: Result<Response, Infallible> = answer.await;
            drop(running);
            answer
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(Patient::new(stream)), service);
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        tokio::select! {
            // What a client did wrong with its connection is its own affair.
            _ = connection => {}
            () = place.wanted() => {}
        }
    });
}
