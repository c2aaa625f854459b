//! Mail, as it leaves: to a mail server on loopback.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    thread,
};

use px0_tests::{App, PASSWORD};
use serde_json::json;
use tokio::sync::mpsc;

/// A mail, as a mail server got it.
struct Received {
    from: String,
    to: String,
    message: String,
}

/// Takes part in one SMTP session (RFC 5321) and hands on what it got.
fn session(mut stream: TcpStream, mails: &mpsc::UnboundedSender<Received>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    stream.write_all(b"220 sink\r\n")?;
    let (mut from, mut to) = (String::new(), String::new());
    while let Some(line) = lines.next().transpose()? {
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_owned();
        let answer = match verb.as_str() {
            "EHLO" => "250-sink\r\n250 8BITMIME\r\n",
            "MAIL" => {
                from = line;
                "250 ok\r\n"
            }
            "RCPT" => {
                to = line;
                "250 ok\r\n"
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n")?;
                let mut message = String::new();
                while let Some(line) = lines.next().transpose()?.filter(|line| line != ".") {
                    message.push_str(&line);
                    message.push('\n');
                }
                let _ = mails.send(Received { from: from.clone(), to: to.clone(), message });
                "250 kept\r\n"
            }
            "QUIT" => return stream.write_all(b"221 bye\r\n"),
            _ => "250 ok\r\n",
        };
        stream.write_all(answer.as_bytes())?;
    }
    Ok(())
}

/// A mail server that drops the first `refusals` connections.
fn sink(refusals: usize) -> (u16, mpsc::UnboundedReceiver<Received>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, receiver) = mpsc::unbounded_channel();
    thread::spawn(move || {
        for stream in listener.incoming().skip(refusals) {
            let sender = sender.clone();
            thread::spawn(move || session(stream.unwrap(), &sender));
        }
    });
    (port, receiver)
}

async fn mailing(port: u16) -> App {
    App::start_with(|settings| {
        settings.email.mode = px0_config::EmailMode::Smtp;
        settings.email.from = "px0 <px0@example.net>".to_owned();
        settings.email.smtp.host = "127.0.0.1".to_owned();
        settings.email.smtp.port = port;
        settings.email.smtp.security = px0_config::SmtpSecurity::None;
    })
    .await
}

#[tokio::test]
async fn codes_are_sent_by_smtp() {
    let (port, mut mails) = sink(0);
    let app = mailing(port).await;
    let nobody = app.anonymous();
    let credentials = json!({ "email": "ada@example.com", "password": PASSWORD });
    nobody.post("/v1/auth/register", credentials.clone()).await.expect(201);
    let mail = mails.recv().await.unwrap();
    assert!(mail.from.contains("<px0@example.net>"), "{}", mail.from);
    assert!(mail.to.contains("<ada@example.com>"), "{}", mail.to);
    assert!(mail.message.contains("Subject: Your px0 verification code"), "{}", mail.message);
    assert!(mail.message.contains("Content-Type: text/plain"), "{}", mail.message);
    let (_, rest) = mail.message.split_once("Your verification code is ").unwrap();
    let proof = json!({ "email": "ada@example.com", "code": &rest[..6] });
    nobody.post("/v1/auth/verify-email", proof).await.expect(200);
    nobody.post("/v1/auth/login", credentials).await.expect(200);
    let address = json!({ "email": "ada@example.com" });
    nobody.post("/v1/auth/password-reset/trigger", address).await.expect(200);
    let reset = mails.recv().await.unwrap();
    assert!(reset.message.contains("Subject: Reset your px0 password"), "{}", reset.message);
}

#[tokio::test]
async fn a_mail_server_that_is_away_for_a_moment_loses_no_code() {
    let (port, mut mails) = sink(1);
    let app = mailing(port).await;
    let credentials = json!({ "email": "ada@example.com", "password": PASSWORD });
    app.anonymous().post("/v1/auth/register", credentials).await.expect(201);
    assert!(mails.recv().await.unwrap().to.contains("ada@example.com"));
}
