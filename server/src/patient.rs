//! Answers that nobody reads do not stay in memory.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

/// How often to look how much of an answer was taken.
const WINDOW: Duration = Duration::from_secs(5);

/// The bytes that must have been taken since the last look while there were more: 16 KiB a second. A page of a list may have megabytes.
const LEAST: usize = 5 * 16 * 1024;

/// A stream whose writes fail when the other end takes them too slowly. Reads are as they are.
pub(crate) struct Patient<S> {
    stream: S,
    /// Set while there is something that the other end does not take.
    look: Option<Pin<Box<Sleep>>>,
    taken: usize,
    window: Duration,
}

impl<S> Patient<S> {
    /// Is patient with `stream`.
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, look: None, taken: 0, window: WINDOW }
    }

    /// Notes how a write went; fails it when too little was taken for too long.
    fn wrote<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
        bytes: impl FnOnce(&T) -> usize,
    ) -> Poll<io::Result<T>> {
        match written {
            Poll::Ready(Ok(written)) => {
                self.taken += bytes(&written);
                Poll::Ready(Ok(written))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                let window = self.window;
                let fresh = || Box::pin(sleep_until(Instant::now() + window));
                if self.look.is_none() {
                    self.taken = 0;
                }
                loop {
                    ready!(self.look.get_or_insert_with(fresh).as_mut().poll(context));
                    if self.taken < LEAST {
                        let why = "the client reads too slowly";
                        return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, why)));
                    }
                    (self.look, self.taken) = (None, 0);
                }
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(context, written, |count| *count)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.wrote(context, written, |count| *count)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(Pin::new(&mut self.stream).poll_flush(context));
        // All of an answer was taken: the next one has its own time.
        self.look = None;
        Poll::Ready(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Patient for a twentieth of the time.
    fn hurried<S>(stream: S) -> Patient<S> {
        Patient { window: WINDOW / 20, ..Patient::new(stream) }
    }

    #[tokio::test]
    async fn who_reads_nothing_is_given_up() {
        let (stream, _reader) = tokio::io::duplex(1024);
        let begun = Instant::now();
        let error = hurried(stream).write_all(&[0; 100_000]).await.expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed() >= WINDOW / 20);
    }

    #[tokio::test]
    async fn who_reads_slowly_but_steadily_gets_all() {
        let (stream, mut reader) = tokio::io::duplex(16 * 1024);
        let read = tokio::spawn(async move {
            let (mut all, mut piece) = (0, [0; 16 * 1024]);
            loop {
                match reader.read(&mut piece).await.expect("read") {
                    0 => return all,
                    count => all += count,
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        let mut writer = hurried(stream);
        writer.write_all(&[0; 1_000_000]).await.expect("all is taken");
        drop(writer);
        assert_eq!(read.await.expect("no panic"), 1_000_000);
    }
}
