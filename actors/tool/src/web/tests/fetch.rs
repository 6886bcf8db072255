use std::collections::VecDeque;
use std::io;
use std::io::Write;
use std::net::IpAddr;
use std::sync::Mutex;

use flate2::Compression;
use flate2::write::GzEncoder;
use openclaw_protocol::Content;
use openclaw_runtime::BoxFuture;
use serde_json::Value;
use serde_json::json;

use super::super::*;
use super::site::Pieces;
use super::site::Site;
use super::site::answer;
use crate::Tool;
use crate::ToolCall;
use crate::ToolOutcome;

/// Names that answer from a list, one answer after the other.
#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    asked: Mutex<Vec<String>>,
}

impl Script {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let answers = answers
            .iter()
            .map(|list| list.iter().map(|ip| ip.parse().unwrap()).collect());
        Arc::new(Self {
            answers: Mutex::new(answers.collect()),
            asked: Mutex::default(),
        })
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Names for Script {
    fn look_up(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        self.asked.lock().unwrap().push(host.to_owned());
        let next = self.answers.lock().unwrap().pop_front();
        Box::pin(async move { next.ok_or_else(|| io::Error::other("no such name")) })
    }
}

fn settings(fetch: Value) -> WebNow {
    let web: Web = serde_json::from_value(json!({ "fetch": fetch })).unwrap();
    Arc::new(move || WebSettings {
        web: web.clone(),
        ..WebSettings::default()
    })
}

fn tool(fetch: Value) -> WebFetch {
    WebFetch::new(settings(fetch), Arc::new(SystemNames))
}

fn call(arguments: Value) -> ToolCall {
    ToolCall {
        name: "web_fetch".into(),
        arguments,
        key: "agent:main:main/1/0".into(),
        workspace: "/nowhere".into(),
        agent: "main".parse().unwrap(),
        session: "agent:main:main".parse().unwrap(),
        caller: crate::Caller::default(),
        outside: None,
    }
}

async fn fetch(tool: &WebFetch, url: &str) -> ToolOutcome {
    tool.run(call(json!({ "url": url }))).await
}

fn text(outcome: &ToolOutcome) -> &str {
    let [Content::Text { text, .. }] = outcome.content.as_slice() else {
        panic!("{outcome:?}");
    };
    text
}

fn said(outcome: &ToolOutcome) -> &str {
    assert!(!outcome.is_error, "{outcome:?}");
    text(outcome)
}

fn refused(outcome: &ToolOutcome) -> &str {
    assert!(outcome.is_error, "{outcome:?}");
    text(outcome)
}

fn here() -> Value {
    json!({ "allowPrivate": ["127.0.0.1"] })
}

const HTML: (&str, &str) = ("content-type", "text/html; charset=utf-8");

#[tokio::test]
async fn a_page_is_read_and_marked_as_outside_words() {
    let site = Site::start(|asked| match asked.target.as_str() {
        "/page?x=1" => answer(
            "200 OK",
            &[HTML],
            b"<title>T</title><p>Hello <a href='/b'>there</a></p>",
        ),
        _ => answer("404 Not Found", &[HTML], b"<p>nothing here</p>"),
    });
    let tool = tool(here());
    let outcome = fetch(&tool, &site.url("/page?x=1")).await;
    let text = said(&outcome);
    let link = site.url("/b");
    assert!(
        text.contains(&format!(
            "---\n# T\n\nHello [there]({link})\n<<<END_EXTERNAL_UNTRUSTED_CONTENT"
        )),
        "{text}"
    );
    assert!(
        text.contains(&format!("Source: {}\n", site.url("/page?x=1"))),
        "{text}"
    );

    let asked = &site.asked()[0];
    assert_eq!((asked.method.as_str(), asked.body.as_str()), ("GET", ""));
    assert!(
        asked
            .header("user-agent")
            .unwrap()
            .starts_with("Mozilla/5.0")
    );
    for secret in ["authorization", "cookie", "referer"] {
        assert_eq!(asked.header(secret), None);
    }
    let error = fetch(&tool, &site.url("/else")).await;
    assert!(
        refused(&error).contains("HTTP 404") && refused(&error).contains("nothing here"),
        "{error:?}"
    );
}

#[tokio::test]
async fn text_and_json_come_as_they_are_and_other_things_are_named() {
    let site = Site::start(|asked| match asked.target.as_str() {
        "/json" => answer(
            "200 OK",
            &[("content-type", "application/json")],
            b"{\"a\": [1,  2]}",
        ),
        "/text" => answer("200 OK", &[("content-type", "text/plain")], b"a  <b>\n\nc"),
        "/bare" => answer("200 OK", &[], b"<!doctype html><p>no type"),
        _ => answer("200 OK", &[("content-type", "image/png")], b"\x89PNG"),
    });
    let tool = tool(here());
    for (path, expected) in [
        ("/json", "---\n{\"a\": [1,  2]}\n"),
        ("/text", "---\na  <b>\n\nc\n"),
        ("/bare", "---\nno type\n"),
    ] {
        let outcome = fetch(&tool, &site.url(path)).await;
        assert!(said(&outcome).contains(expected), "{outcome:?}");
    }
    let outcome = fetch(&tool, &site.url("/png")).await;
    assert!(
        refused(&outcome).contains("image/png (4 bytes)"),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn no_form_of_a_private_address_is_called() {
    let site = Site::start(|_| answer("200 OK", &[HTML], b"secret"));
    let tool = tool(json!({}));
    let port = site.address.port();
    for host in [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "017700000001",
        "127.1",
        "0x7f.1",
        "0.0.0.0",
        "0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "10.0.0.1",
        "①②⑦.⓪.⓪.①",
        "%31%32%37.0.0.1",
        "127。0。0。1",
    ] {
        let outcome = fetch(&tool, &format!("http://{host}:{port}/")).await;
        let why = refused(&outcome);
        assert!(why.contains("public addresses only"), "{host}: {why}");
        assert!(!why.contains("secret"));
    }
    for url in [
        "file:///etc/passwd",
        "ftp://example.org/",
        "gopher://127.0.0.1:70/",
        "data:text/html,hi",
        "javascript:alert(1)",
        "//127.0.0.1/",
        "http://",
        "http://user:pw@example.org/",
        "",
        "unix:/run/x",
    ] {
        refused(&fetch(&tool, url).await);
    }
    assert!(site.asked().is_empty(), "{:?}", site.asked());
}

#[tokio::test]
async fn a_name_is_looked_up_once_and_called_where_it_was_checked() {
    let site = Site::start(|_| answer("200 OK", &[HTML], b"here"));
    let port = site.address.port();
    let list = json!({ "allowPrivate": ["127.0.0.1/32"], "cacheTtlMinutes": 0 });
    // The second answer is what a rebinding name would give between the check and the call.
    let names = Script::new(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let tool = WebFetch::new(settings(list), names.clone());
    let url = format!("http://rebind.test:{port}/");
    let outcome = fetch(&tool, &url).await;
    assert!(said(&outcome).contains("here"));
    assert_eq!(names.asked(), ["rebind.test"]);
    // The next call asks again, and is told of the address that is not listed.
    let outcome = fetch(&tool, &url).await;
    assert!(
        refused(&outcome).contains("rebind.test is at 127.0.0.2"),
        "{outcome:?}"
    );
    assert_eq!((names.asked().len(), site.asked().len()), (2, 1));
}

#[tokio::test]
async fn one_private_address_among_public_ones_is_refused() {
    for mixed in [
        ["93.184.216.34", "127.0.0.1"],
        ["169.254.169.254", "93.184.216.34"],
        ["2606:2800::1", "::ffff:10.0.0.1"],
    ] {
        let names = Script::new(&[&mixed]);
        let tool = WebFetch::new(settings(json!({})), names);
        let outcome = fetch(&tool, "http://mixed.test/").await;
        assert!(
            refused(&outcome).contains("public addresses only"),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn each_redirect_is_asked_about() {
    let site = Site::start(|asked| {
        let to = match asked.target.as_str() {
            "/metadata" => "http://169.254.169.254/latest/meta-data/iam/",
            "/decimal" => "http://2852039166/",
            "/file" => "file:///etc/passwd",
            "/name" => "http://inside.test/",
            "/twice" => "/once",
            "/once" => "/end",
            "/loop" => "/loop",
            _ => return answer("200 OK", &[HTML], b"the end"),
        };
        answer("302 Found", &[("location", to)], b"")
    });
    let names = Script::new(&[&["10.0.0.5"]]);
    let tool = WebFetch::new(settings(here()), names.clone());
    for (path, why) in [
        ("/metadata", "169.254.169.254 is at 169.254.169.254"),
        ("/decimal", "169.254.169.254"),
        ("/file", "only http and https"),
        ("/name", "inside.test is at 10.0.0.5"),
        ("/loop", "more than 3 times"),
    ] {
        let outcome = fetch(&tool, &site.url(path)).await;
        assert!(refused(&outcome).contains(why), "{path}: {outcome:?}");
    }
    assert_eq!(names.asked(), ["inside.test"]);
    let outcome = fetch(&tool, &site.url("/twice")).await;
    assert!(
        said(&outcome).contains(&format!("Source: {}\n---\nthe end", site.url("/end"))),
        "{outcome:?}"
    );
    let loops = site
        .asked()
        .iter()
        .filter(|asked| asked.target == "/loop")
        .count();
    assert_eq!(loops, 4);
}

fn endless() -> Pieces {
    let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n".to_vec();
    Box::new(std::iter::once(head).chain(std::iter::repeat_n(vec![b'a'; 64 * 1024], 100_000)))
}

#[tokio::test]
async fn endless_bodies_and_bombs_end_at_the_bound() {
    let site = Site::start(|asked| {
        if asked.target == "/endless" {
            return endless();
        }
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        for _ in 0..256 {
            packer.write_all(&[b'b'; 1024 * 1024]).unwrap();
        }
        let bomb = packer.finish().unwrap();
        assert!(bomb.len() < 300_000);
        let headers = [("content-type", "text/plain"), ("content-encoding", "gzip")];
        answer("200 OK", &headers, &bomb)
    });
    let tool =
        tool(json!({ "allowPrivate": ["127.0.0.1"], "maxChars": 1000, "cacheTtlMinutes": 0 }));
    for path in ["/endless", "/bomb"] {
        let outcome = fetch(&tool, &site.url(path)).await;
        let text = said(&outcome);
        assert!(
            text.contains("cut after 1000 characters") && text.len() < 2_000,
            "{path}: {}",
            text.len()
        );
    }
}

#[tokio::test]
async fn packing_that_was_not_asked_for_is_refused() {
    let site = Site::start(|_| answer("200 OK", &[HTML, ("content-encoding", "gzip, gzip")], b"x"));
    let outcome = fetch(&tool(here()), &site.url("/")).await;
    assert!(refused(&outcome).contains("gzip, gzip"), "{outcome:?}");
}

#[tokio::test]
async fn a_site_that_drips_ends_at_the_deadline() {
    let site = Site::start(|_| {
        let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n".to_vec();
        // The rest never comes.
        let (never, hears) = std::sync::mpsc::channel::<Vec<u8>>();
        Box::new(std::iter::once(head).chain(std::iter::from_fn(move || {
            let _open = &never;
            hears.recv().ok()
        })))
    });
    let tool = tool(json!({ "allowPrivate": ["127.0.0.1"], "timeoutSeconds": 1 }));
    let ended = tokio::time::timeout(Duration::from_secs(20), fetch(&tool, &site.url("/"))).await;
    assert!(refused(&ended.unwrap()).contains("not read within 1 s"));
}

#[tokio::test]
async fn a_page_is_kept_for_a_while_and_cut_as_each_call_says() {
    let site = Site::start(|_| answer("200 OK", &[("content-type", "text/plain")], b"0123456789"));
    let tool = tool(here());
    let whole = fetch(&tool, &site.url("/")).await;
    assert!(said(&whole).contains("0123456789"));
    let part = tool
        .run(call(json!({ "url": site.url("/"), "maxChars": 4 })))
        .await;
    assert!(
        said(&part).contains("---\n0123\n[… cut after 4 characters …]"),
        "{part:?}"
    );
    assert_eq!(site.asked().len(), 1);
    let off = settings(json!({ "enabled": false }));
    assert!(!WebFetch::new(off, Arc::new(SystemNames)).is_offered());
}
