use std::sync::Arc;

use serde_json::Value;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::WebSocket;

use super::Event;
use super::FRAMES;
use super::Goodbye;
use super::Loss;
use super::Numbering;
use super::Outbound;
use super::Pace;
use super::Step;

const ROOM: usize = 1 << 20;

fn delta(run: &str, text: &str) -> Arc<Event> {
    Arc::new(Event {
        whole: Some(json!({ "whole": text }).to_string().into()),
        loss: Loss::Delta {
            run: run.into(),
            stream: "chat",
        },
        ..Event::new("chat", json!({ "delta": text }).to_string())
    })
}

fn last(text: &str) -> Arc<Event> {
    Arc::new(Event::new("chat", json!({ "final": text }).to_string()))
}

/// Everything that is queued, as a client reads it.
fn written(queue: &Outbound) -> (Vec<Value>, Option<(u16, String)>) {
    let mut bytes = Vec::new();
    while let Some(step) = queue.take() {
        match step {
            Step::Write(more) => bytes.extend(more.concat()),
            Step::End(more) => {
                bytes.extend(more.concat());
                break;
            }
        }
    }
    let stream = std::io::Cursor::new(bytes);
    let mut client = WebSocket::from_raw_socket(stream, Role::Client, None);
    let mut frames = Vec::new();
    loop {
        match client.read() {
            Ok(Message::Text(text)) => frames.push(serde_json::from_str(&text).unwrap()),
            Ok(Message::Close(Some(frame))) => {
                return (frames, Some((frame.code.into(), frame.reason.to_string())));
            }
            Ok(_) => {}
            Err(_) => return (frames, None),
        }
    }
}

#[test]
fn frames_come_out_in_order_and_numbered() {
    let queue = Outbound::new(ROOM);
    queue.respond(json!({ "type": "res", "id": "1" }).to_string());
    queue.event(&last("a"), Numbering::Own);
    queue.event(&last("b"), Numbering::Unnumbered);
    queue.event(&last("c"), Numbering::Own);
    let presence = Event {
        state_version: Some((3, 4)),
        ..Event::new("presence", "{}".to_owned())
    };
    queue.event(&Arc::new(presence), Numbering::Global(77));
    let (frames, _) = written(&queue);
    assert_eq!(
        frames,
        [
            json!({ "type": "res", "id": "1" }),
            json!({ "type": "event", "event": "chat", "payload": { "final": "a" }, "seq": 1 }),
            json!({ "type": "event", "event": "chat", "payload": { "final": "b" } }),
            json!({ "type": "event", "event": "chat", "payload": { "final": "c" }, "seq": 2 }),
            json!({
                "type": "event", "event": "presence", "payload": {}, "seq": 77,
                "stateVersion": { "presence": 3, "health": 4 },
            }),
        ]
    );
    assert!(queue.is_empty());
}

#[test]
fn a_slow_socket_loses_deltas_first_and_the_next_delta_is_whole() {
    let queue = Outbound::new(ROOM);
    for n in 0..FRAMES {
        queue.event(&delta("run", &n.to_string()), Numbering::Own);
    }
    queue.respond("{}".to_owned());
    queue.event(&last("end"), Numbering::Own);
    assert!(!queue.is_slow());
    assert_eq!(queue.dropped(), 2);
    let (frames, goodbye) = written(&queue);
    assert_eq!(goodbye, None);
    assert_eq!(frames[0]["payload"]["delta"], "2");
    assert_eq!(frames[0]["seq"], 3, "the hole shows in the numbers");
    assert_eq!(frames.last().unwrap()["payload"]["final"], "end");

    queue.event(&delta("other", "x"), Numbering::Own);
    queue.event(&delta("run", "all of it"), Numbering::Own);
    queue.event(&delta("run", "more"), Numbering::Own);
    let (frames, _) = written(&queue);
    assert_eq!(frames[0]["payload"]["delta"], "x");
    assert_eq!(frames[1]["payload"]["whole"], "all of it");
    assert_eq!(frames[2]["payload"]["delta"], "more");
}

#[test]
fn a_socket_that_takes_nothing_is_thrown_out() {
    let queue = Outbound::new(ROOM);
    for n in 0..FRAMES {
        queue.event(&last(&n.to_string()), Numbering::Own);
    }
    // A delta that doesn't fit is only left out.
    queue.event(&delta("run", "x"), Numbering::Own);
    assert!(!queue.is_slow());
    queue.event(&last("one too many"), Numbering::Own);
    assert!(queue.is_slow());
    let (frames, goodbye) = written(&queue);
    assert_eq!(frames, Vec::<Value>::new());
    assert_eq!(goodbye, Some((1008, "slow consumer".to_owned())));
}

#[test]
fn bytes_are_bounded_too() {
    let queue = Outbound::new(1000);
    queue.event(&delta("run", &"x".repeat(900)), Numbering::Own);
    queue.event(&last(&"y".repeat(900)), Numbering::Own);
    assert_eq!(queue.dropped(), 1);
    queue.respond("z".repeat(900));
    assert!(queue.is_slow());
}

#[test]
fn a_socket_that_is_behind_holds_only_the_newest_delta_of_a_stream() {
    let queue = Outbound::new(ROOM);
    for n in 1..=9 {
        queue.event(&delta("run", &"x".repeat(n * 50_000)), Numbering::Own);
        queue.event(&delta("other", &n.to_string()), Numbering::Own);
    }
    assert!(queue.lock().bytes < 1_000_000, "{}", queue.lock().bytes);
    let (frames, _) = written(&queue);
    let last = &frames[frames.len() - 2..];
    assert_eq!(
        last[0]["payload"]["whole"].as_str().map(str::len),
        Some(450_000),
        "the newest stands for all"
    );
    assert_eq!(last[1]["payload"]["whole"], "9");
    assert_eq!(last[1]["seq"], 18, "what was left out is counted");
    let of_run = |frame: &&Value| frame["payload"].to_string().len() > 40_000;
    assert_eq!(frames.iter().filter(of_run).count(), 1);
}

#[test]
fn a_goodbye_follows_what_was_queued_and_ends_the_queue() {
    let queue = Outbound::new(ROOM);
    queue.event(&last("a"), Numbering::Own);
    queue.close(Goodbye::new(1012, "service restart"));
    queue.close(Goodbye::new(1008, "too late"));
    queue.event(&last("b"), Numbering::Own);
    let (frames, goodbye) = written(&queue);
    assert_eq!(frames.len(), 1);
    assert_eq!(goodbye, Some((1012, "service restart".to_owned())));
}

#[tokio::test]
async fn the_writer_wakes_when_something_is_added() {
    let queue = Arc::new(Outbound::new(ROOM));
    let (step, ()) = tokio::join!(queue.next(), async {
        tokio::task::yield_now().await;
        queue.respond("{}".to_owned());
    });
    assert!(matches!(step, Step::Write(pieces) if pieces.concat().ends_with(b"{}")));
}

#[tokio::test]
async fn what_may_wait_is_written_when_it_is_flushed_or_with_what_may_not() {
    let queue = Outbound::new(ROOM);
    let at_leisure = |text| queue.event_at(&last(text), Numbering::Own, Pace::AtLeisure);
    // Whoever writes asks before anything is there, and sleeps.
    let mut next = Box::pin(queue.next());
    assert!(futures_util::poll!(&mut next).is_pending());
    at_leisure("a");
    assert!(futures_util::poll!(&mut next).is_pending());
    queue.flush();
    assert!(futures_util::poll!(&mut next).is_ready());
    drop(next);

    let mut next = Box::pin(queue.next());
    assert!(futures_util::poll!(&mut next).is_pending());
    at_leisure("b");
    queue.event(&last("c"), Numbering::Own);
    assert!(futures_util::poll!(&mut next).is_ready());
    drop(next);
    assert!(queue.is_empty());

    let mut next = Box::pin(queue.next());
    assert!(futures_util::poll!(&mut next).is_pending());
    for _ in 0..super::COMPANY {
        at_leisure("d");
    }
    assert!(futures_util::poll!(&mut next).is_ready());
}
