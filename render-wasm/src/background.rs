//! Something that is made in a thread of its own while the rest goes on.

use std::{sync::Arc, thread};

use tokio::sync::watch;

/// A value that is being made, or that could not be.
pub struct Background<T>(watch::Receiver<Option<Result<Arc<T>, String>>>);

impl<T> Clone for Background<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Send + Sync + 'static> Background<T> {
    /// Makes the value with `make` in a thread called `name`.
    ///
    /// # Errors
    /// There can be no more threads.
    pub fn new(
        name: &str,
        make: impl FnOnce() -> Result<T, String> + Send + 'static,
    ) -> std::io::Result<Self> {
        let (sender, receiver) = watch::channel(None);
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            let made = make().map(Arc::new);
            if let Err(why) = &made {
                let thread = thread::current();
                tracing::error!(thread = thread.name(), %why, "something could not be made");
            }
            // Nobody waits for it any more when the sandbox is gone.
            let _ = sender.send(Some(made));
        })?;
        Ok(Self(receiver))
    }

    /// Whether the value is made.
    pub fn is_made(&self) -> bool {
        matches!(&*self.0.borrow(), Some(Ok(_)))
    }

    /// The value, as soon as it is made.
    ///
    /// # Errors
    /// Why it could not be made.
    pub async fn get(&self) -> Result<Arc<T>, String> {
        let mut receiver = self.0.clone();
        let made = receiver.wait_for(Option::is_some).await;
        match made.as_deref() {
            Ok(Some(value)) => value.clone(),
            _ => Err("the thread that makes it has panicked".into()),
        }
    }
}
