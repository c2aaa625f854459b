//! How mail leaves: one file a way.

use std::{sync::Arc, time::Duration};

use px0_config::{EmailMode, EmailSettings};
use px0_core::workflows::Mailer;

mod file;
mod log;
mod smtp;

/// The way that the settings choose.
///
/// # Errors
/// What is wrong with the settings, in a sentence for the operator.
pub(crate) fn mailer(settings: &EmailSettings, ttl: Duration) -> Result<Arc<dyn Mailer>, String> {
    Ok(match settings.mode {
        // Nobody waits for a code where addresses need no proof, but a password can still be forgotten.
        EmailMode::Log | EmailMode::AutoVerify => Arc::new(log::LogMailer),
        EmailMode::File => Arc::new(file::FileMailer::new(settings.outbox.clone(), ttl)?),
        EmailMode::Smtp => Arc::new(smtp::SmtpMailer::new(settings, ttl)?),
    })
}

/// A mail that was given up: the operator should know, and not learn the code by it.
fn gave_up(kind: &str, why: &str) {
    tracing::error!(kind, why, "a mail could not be sent");
}
