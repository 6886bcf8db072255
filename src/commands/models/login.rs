//! Signing in at a provider from the terminal.

use std::time::Duration;

use openclaw_provider::ModelError;
use openclaw_provider::signin::Browser;
use openclaw_provider::signin::CALLBACK_PORT;
use openclaw_provider::signin::Device;
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::error::CommandError;
use crate::error::CommandResult;
use crate::error::Kind;
use crate::render::Tone;
use crate::shell::Shell;

/// A person who has not signed in by then has gone.
const PATIENCE: Duration = Duration::from_secs(900);

/// Signs in; the name of the credential and the credential.
pub(super) async fn login(provider: &str, shell: &Shell) -> CommandResult<(String, Value)> {
    let way = async {
        match provider {
            "openai-codex" | "codex" => browser(shell).await,
            "github-copilot" | "copilot" => device(Device::copilot().await, shell).await,
            "qwen-portal" | "qwen" => device(Device::qwen().await, shell).await,
            _ => Err(CommandError::new(
                Kind::Usage,
                format!("there is no sign-in for {provider} in this version; there is for openai-codex, github-copilot and qwen-portal"),
            )
            .hint(format!("to store a key: openclaw models auth add --provider {provider}"))),
        }
    };
    match tokio::time::timeout(PATIENCE, way).await {
        Ok(done) => done,
        Err(_) => Err(CommandError::new(Kind::No, "nobody signed in".to_owned())),
    }
}

/// The browser comes back to this machine; where it is on another one, its address is pasted.
async fn browser(shell: &Shell) -> CommandResult<(String, Value)> {
    let begun = Browser::codex();
    shell.terminal.note(
        Tone::Plain,
        &format!(
            "Open this page and sign in:\n\n{}\n\nIf the browser is on another machine, paste the address it ends at here.",
            begun.url
        ),
    );
    let listener = TcpListener::bind(("127.0.0.1", CALLBACK_PORT)).await.ok();
    let back = tokio::select! {
        Some(back) = returned(listener.as_ref()) => back,
        Ok(line) = pasted() => line,
        else => String::new(),
    };
    let code = begun.code(&back).map_err(refused)?;
    begun.finish(&code).await.map_err(refused)
}

/// A line from the terminal. Its thread is left behind when the browser is faster: it ends with the
/// process.
fn pasted() -> tokio::sync::oneshot::Receiver<String> {
    let (line, read) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        // Without a terminal there is nobody to paste: only the browser can answer.
        if std::io::stdin()
            .read_line(&mut text)
            .is_ok_and(|length| length > 0)
        {
            // Nobody waits any more when the browser was faster.
            drop(line.send(text));
        } else {
            std::mem::forget(line);
        }
    });
    read
}

/// The address that the browser is sent back to.
async fn returned(listener: Option<&TcpListener>) -> Option<String> {
    loop {
        let Some(listener) = listener else {
            return std::future::pending().await;
        };
        let (mut stream, _) = listener.accept().await.ok()?;
        let mut request = vec![0; 8192];
        let length = stream.read(&mut request).await.unwrap_or(0);
        let text = String::from_utf8_lossy(request.get(..length).unwrap_or_default()).into_owned();
        let place = text.split(' ').nth(1).unwrap_or_default().to_owned();
        let is_it = place.starts_with("/auth/callback?");
        let (status, words) = match is_it {
            true => ("200 OK", "Done. You can close this page."),
            false => ("404 Not Found", "This is not the page."),
        };
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: text/plain\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{words}",
            words.len()
        );
        // The browser's page is a courtesy; the sign-in does not depend on it.
        drop(stream.write_all(answer.as_bytes()).await);
        if is_it {
            return Some(place);
        }
    }
}

async fn device(
    begun: Result<Device, ModelError>,
    shell: &Shell,
) -> CommandResult<(String, Value)> {
    let mut begun = begun.map_err(refused)?;
    shell.terminal.note(
        Tone::Plain,
        &format!("Open {} and type in {}", begun.url, begun.code),
    );
    loop {
        tokio::time::sleep(begun.interval).await;
        if let Some(done) = begun.ask().await.map_err(refused)? {
            return Ok(done);
        }
    }
}

fn refused(error: ModelError) -> CommandError {
    CommandError::new(Kind::No, error.message)
}
