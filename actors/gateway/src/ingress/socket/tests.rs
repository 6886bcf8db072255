use tokio::io::AsyncReadExt;

use super::*;

/// Answers each message at once with itself.
struct Echo(Arc<Shared>);

impl Deliver for Echo {
    async fn deliver(&self, text: String) -> bool {
        self.0.queue.respond(text);
        true
    }
}

#[tokio::test]
async fn requests_that_come_with_one_read_wait_until_the_answers_before_them_have_left() {
    const COUNT: usize = 1_000;
    let shared = Shared::new(1024 * 1024, 1024 * 1024, 0);
    let (mut peer, ours) = tokio::io::duplex(1024);
    // A text frame of four bytes, masked with zeros.
    let early = [0x81, 0x84, 0, 0, 0, 0, b't', b'e', b'x', b't'].repeat(COUNT);
    let served = run(ours, early, shared.clone(), Echo(shared.clone()));
    let mut answers = vec![0; COUNT * 6];
    let reading = async {
        peer.read_exact(&mut answers).await.unwrap();
        drop(peer);
    };
    let (ended, ()) = tokio::join!(served, reading);
    assert_eq!(ended, Ended::ByPeer(None));
    assert_eq!(answers, [0x81, 4, b't', b'e', b'x', b't'].repeat(COUNT));
    assert!(!shared.queue.is_slow());
}
