//! Whatever becomes of those who receive telemetry, requests are answered as ever.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{io::AsyncReadExt, net::TcpListener};

use crate::{
    otlp::{px0, render},
    receiver::soon,
};

/// For how long an exporter waits.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a receiver can be of no use.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// Nobody is there.
    Down,
    /// Connections are taken, and nothing is ever answered.
    Silent,
    /// Connections are closed as soon as they are made.
    Closing,
    /// Everything is refused.
    Refusing,
}

/// Where one of them is, and how often somebody came.
async fn receiver(fault: Fault) -> (String, Arc<AtomicUsize>) {
    let came = Arc::new(AtomicUsize::new(0));
    let count = came.clone();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    if !matches!(fault, Fault::Down) {
        tokio::spawn(async move {
            let mut kept = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                match fault {
                    Fault::Silent => kept.push(stream),
                    Fault::Refusing => {
                        tokio::spawn(async move {
                            let mut some = [0; 4096];
                            while stream.read(&mut some).await.is_ok_and(|read| read > 0) {
                                use tokio::io::AsyncWriteExt;
                                let refusal = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
                                if stream.write_all(refusal).await.is_err() {
                                    break;
                                }
                            }
                        });
                    }
                    Fault::Closing | Fault::Down => drop(stream),
                }
            }
        });
    }
    (format!("http://{addr}"), came)
}

/// How long a number of renders takes, one after the other, and how long the slowest.
async fn renders(variables: &[(&'static str, String)]) -> (Duration, Duration) {
    let (server, _folder, ada, prompt) = px0(variables).await;
    let (begun, mut slowest) = (Instant::now(), Duration::ZERO);
    for _ in 0..200 {
        let one = Instant::now();
        render(&ada, &prompt, None).await;
        slowest = slowest.max(one.elapsed());
    }
    let took = begun.elapsed();
    // It ends, too.
    let begun = Instant::now();
    server.stop().await;
    assert!(begun.elapsed() < PATIENCE / 2, "it ended only after {:?}", begun.elapsed());
    (took, slowest)
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_answered_whatever_becomes_of_telemetry() {
    let (plain, _) = renders(&[]).await;
    for fault in [Fault::Down, Fault::Silent, Fault::Closing, Fault::Refusing] {
        // Those by which nothing is ever heard are the ones to wait for.
        let protocols: &[_] = match fault {
            Fault::Silent => &["grpc", "http/protobuf"],
            Fault::Down | Fault::Closing => &["grpc"],
            Fault::Refusing => &["http/protobuf"],
        };
        for protocol in protocols {
            let mut variables = soon();
            let (receiver, came) = receiver(fault).await;
            variables.push(("OTEL_EXPORTER_OTLP_ENDPOINT", receiver));
            variables.push(("OTEL_EXPORTER_OTLP_PROTOCOL", (*protocol).to_owned()));
            // Full at once: what does not fit is dropped.
            variables.push(("OTEL_BSP_MAX_QUEUE_SIZE", "16".to_owned()));
            variables.push(("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "16".to_owned()));
            variables.push(("OTEL_BLRP_MAX_QUEUE_SIZE", "16".to_owned()));
            variables.push(("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "16".to_owned()));
            let (took, slowest) = renders(&variables).await;
            let tried = came.load(Ordering::Relaxed) > 0;
            assert_eq!(tried, !matches!(fault, Fault::Down), "{fault:?} by {protocol}");
            // Were any to wait for the receiver, it would take as long as an exporter does.
            assert!(slowest < PATIENCE / 4, "{fault:?} by {protocol}: {slowest:?}");
            assert!(
                took < plain * 10 + PATIENCE / 4,
                "{fault:?} by {protocol}: {took:?}, not {plain:?}"
            );
        }
    }
}
