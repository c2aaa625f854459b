use std::time::Duration;

use async_trait::async_trait;
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp::authentication::Credentials,
};
use px0_config::{EmailSettings, SmtpSecurity};
use px0_core::workflows::{Mail, Mailer};

/// How long a mail server may take for one mail; it is tried again after that.
const PATIENCE: Duration = Duration::from_secs(15);

/// Sends by a mail server.
pub(super) struct SmtpMailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    ttl: Duration,
}

impl SmtpMailer {
    pub(super) fn new(settings: &EmailSettings, ttl: Duration) -> Result<Self, String> {
        let from = settings.from.parse();
        let from = from.map_err(|_| {
            format!(
                "email.from is no sender: expected an address, such as `px0 <px0@example.com>`, but found `{}`",
                settings.from
            )
        })?;
        let smtp = &settings.smtp;
        let unusable = |error: lettre::transport::smtp::Error| {
            let why = std::error::Error::source(&error)
                .map_or_else(|| error.to_string(), ToString::to_string);
            format!(
                "email.smtp.host cannot be used: expected the name of a mail server, but found `{}` ({why})",
                smtp.host
            )
        };
        if smtp.host.is_empty() || !smtp.host.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!(
                "email.smtp.host cannot be used: expected the name of a mail server, but found `{}`",
                smtp.host
            ));
        }
        let mut builder = match smtp.security {
            SmtpSecurity::Starttls => {
                AsyncSmtpTransport::<Tokio1Executor>::starttls_relay(&smtp.host)
                    .map_err(unusable)?
            }
            SmtpSecurity::Tls => {
                AsyncSmtpTransport::<Tokio1Executor>::relay(&smtp.host).map_err(unusable)?
            }
            SmtpSecurity::None => {
                AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&smtp.host)
            }
        };
        if !smtp.username.is_empty() {
            builder =
                builder.credentials(Credentials::new(smtp.username.clone(), smtp.password.clone()));
        }
        let transport = builder.port(smtp.port).timeout(Some(PATIENCE)).build();
        Ok(Self { transport, from, ttl })
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn deliver(&self, mail: &Mail) -> Result<(), String> {
        let to: Mailbox = mail.to().as_str().parse().map_err(|error| format!("{error}"))?;
        let message = Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject(mail.subject())
            .header(ContentType::TEXT_PLAIN)
            .body(mail.text(self.ttl))
            .map_err(|error| error.to_string())?;
        self.transport.send(message).await.map(drop).map_err(|error| error.to_string())
    }

    fn gave_up(&self, kind: &'static str, why: &str) {
        super::gave_up(kind, why);
    }
}
