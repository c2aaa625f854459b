//! Whatever becomes of those who receive telemetry, requests are answered as ever.

use std::time::{Duration, Instant};

use tokio::{io::AsyncReadExt, net::TcpListener};

use crate::{
    otlp::{px0, render},
    receiver::soon,
};

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

/// Where one of them is.
async fn receiver(fault: Fault) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    if !matches!(fault, Fault::Down) {
        tokio::spawn(async move {
            let mut kept = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
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
    format!("http://{addr}")
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
    server.stop().await;
    (took, slowest)
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_answered_whatever_becomes_of_telemetry() {
    let (plain, _) = renders(&[]).await;
    // An exporter waits for this long.
    let patience = Duration::from_secs(10);
    for fault in [Fault::Down, Fault::Silent, Fault::Closing, Fault::Refusing] {
        // Those by which nothing is ever heard are the ones to wait for.
        let protocols: &[_] = match fault {
            Fault::Silent => &["grpc", "http/protobuf"],
            Fault::Down | Fault::Closing => &["grpc"],
            Fault::Refusing => &["http/protobuf"],
        };
        for protocol in protocols {
            let mut variables = soon();
            variables.push(("OTEL_EXPORTER_OTLP_ENDPOINT", receiver(fault).await));
            variables.push(("OTEL_EXPORTER_OTLP_PROTOCOL", (*protocol).to_owned()));
            // Full at once: what does not fit is dropped.
            variables.push(("OTEL_BSP_MAX_QUEUE_SIZE", "16".to_owned()));
            variables.push(("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "16".to_owned()));
            variables.push(("OTEL_BLRP_MAX_QUEUE_SIZE", "16".to_owned()));
            variables.push(("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "16".to_owned()));
            let (took, slowest) = renders(&variables).await;
            // Were any to wait for the receiver, it would take as long as an exporter does.
            assert!(slowest < patience / 4, "{fault:?} by {protocol}: {slowest:?}");
            assert!(
                took < plain * 10 + patience / 4,
                "{fault:?} by {protocol}: {took:?}, not {plain:?}"
            );
        }
    }
}
