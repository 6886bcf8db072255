//! How long each part of a call may take.

use std::time::Duration;

use futures_core::Stream;
use futures_util::StreamExt;
use futures_util::stream;
use openclaw_runtime::memory::Budget;
use openclaw_runtime::memory::PART;
use openclaw_runtime::memory::Share;
use tokio::time::Instant;
use tokio::time::timeout_at;

use crate::error::ModelError;
use crate::error::ModelErrorKind;
use crate::error::Phase;

/// The deadlines of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Deadlines {
    /// Opening the connection.
    pub connect: Duration,
    /// From the request to the first byte of the answer's body.
    pub first_byte: Duration,
    /// Between two pieces of the answer.
    pub idle: Duration,
    /// The whole call.
    pub total: Duration,
}

impl Deadlines {
    /// For a provider on the internet: they answer in seconds or not at all.
    pub const REMOTE: Self = Self {
        connect: Duration::from_secs(10),
        first_byte: Duration::from_secs(60),
        idle: Duration::from_secs(60),
        total: Duration::from_secs(600),
    };

    /// For a server on this machine or its network: a small computer may load a model and read a
    /// long prompt for minutes before the first word.
    pub const LOCAL: Self = Self {
        connect: Duration::from_secs(10),
        first_byte: Duration::from_secs(300),
        idle: Duration::from_secs(60),
        total: Duration::from_secs(600),
    };
}

impl Default for Deadlines {
    fn default() -> Self {
        Self::REMOTE
    }
}

/// The most a provider may send in one answer: no answer is that long, and without a bound a
/// broken server fills the memory.
const LONGEST_ANSWER: usize = 64 * 1024 * 1024;

/// What all answers may have sent that are not read to their end: it bounds what waits for the end, as calls of tools do.
static ON_THE_WIRE: Budget = Budget::new(96 * 1024 * 1024, PART);

/// Passes a body on and ends it with an error when a piece comes too late.
///
/// Any byte counts as life, also the comments some servers send while they think; the whole still
/// has its own deadline.
pub(crate) fn guard<S, B>(
    body: S,
    provider: String,
    deadlines: Deadlines,
    begun: Instant,
) -> impl Stream<Item = Result<B, ModelError>> + Send
where
    S: Stream<Item = Result<B, ModelError>> + Send + Unpin,
    B: AsRef<[u8]> + Send,
{
    struct Watch<S> {
        body: S,
        provider: String,
        /// When the next piece is due, and what it is late for.
        due: (Instant, Phase, Duration),
        read: Share,
    }
    let end = begun + deadlines.total;
    let sooner = move |due: (Instant, Phase, Duration)| {
        if due.0 <= end {
            due
        } else {
            (end, Phase::Total, deadlines.total)
        }
    };
    let first = sooner((
        begun + deadlines.first_byte,
        Phase::FirstByte,
        deadlines.first_byte,
    ));
    let watch = Watch {
        body,
        provider,
        due: first,
        read: ON_THE_WIRE.share(),
    };
    let steps = stream::unfold(Some(watch), move |watch| async move {
        let mut watch = watch?;
        let (at, phase, allowed) = watch.due;
        let piece = match timeout_at(at, watch.body.next()).await {
            Err(_) => return Some((Err(late(&watch.provider, phase, allowed)), None)),
            Ok(piece) => piece?,
        };
        match piece {
            Err(error) => Some((Err(error), None)),
            Ok(piece) => {
                let is_room = watch.read.take(piece.as_ref().len());
                if watch.read.taken() > LONGEST_ANSWER {
                    let text = format!("{} sent more than any answer holds", watch.provider);
                    return Some((Err(ModelError::new(ModelErrorKind::Format, text)), None));
                }
                if !is_room {
                    let text = format!(
                        "the answer of {} is too long for the memory that other answers leave",
                        watch.provider
                    );
                    return Some((Err(ModelError::new(ModelErrorKind::Format, text)), None));
                }
                watch.due = sooner((Instant::now() + deadlines.idle, Phase::Idle, deadlines.idle));
                Some((Ok(piece), Some(watch)))
            }
        }
    });
    Box::pin(steps)
}

/// The error of a call that took too long.
pub(crate) fn late(provider: &str, phase: Phase, allowed: Duration) -> ModelError {
    let seconds = allowed.as_secs_f64();
    let (what, key) = match phase {
        Phase::Connect => ("let no connection through", "connectMs"),
        Phase::FirstByte => ("sent nothing", "firstByteMs"),
        Phase::Idle => ("went silent in the middle of its answer", "idleMs"),
        Phase::Total => ("had not finished its answer", "totalMs"),
    };
    ModelError::new(
        ModelErrorKind::Timeout(phase),
        format!(
            "{provider} {what} within {seconds} s; a slower server needs `openclaw config set models.providers.{provider}.timeouts.{key} <ms>`"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    type Piece = Result<Vec<u8>, ModelError>;

    fn after(pauses: Vec<u64>) -> impl Stream<Item = Piece> + Send + Unpin {
        Box::pin(stream::unfold(pauses.into_iter(), |mut pauses| async {
            tokio::time::sleep(Duration::from_secs(pauses.next()?)).await;
            Some((Ok(b"x".to_vec()), pauses))
        }))
    }

    async fn outcome(pauses: Vec<u64>, deadlines: Deadlines) -> (usize, Option<ModelErrorKind>) {
        let begun = Instant::now();
        let pieces: Vec<Piece> = guard(after(pauses), "p".into(), deadlines, begun)
            .collect()
            .await;
        let good = pieces.iter().filter(|piece| piece.is_ok()).count();
        let error = pieces.into_iter().find_map(Result::err);
        (good, error.map(|error| error.kind))
    }

    #[tokio::test(start_paused = true)]
    async fn each_deadline_is_named_by_what_was_late() {
        let d = Deadlines::REMOTE;
        assert_eq!(outcome(vec![1, 2, 3], d).await, (3, None));
        let late = |phase| Some(ModelErrorKind::Timeout(phase));
        assert_eq!(outcome(vec![61], d).await, (0, late(Phase::FirstByte)));
        assert_eq!(outcome(vec![59, 61], d).await, (1, late(Phase::Idle)));
        assert_eq!(outcome(vec![45; 20], d).await, (13, late(Phase::Total)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_ends_the_stream_at_its_moment() {
        let begun = Instant::now();
        let silent = stream::pending::<Piece>();
        let mut guarded = Box::pin(guard(silent, "p".into(), Deadlines::REMOTE, begun));
        assert!(guarded.next().await.unwrap().is_err());
        assert_eq!(begun.elapsed().as_secs(), 60);
        assert!(guarded.next().await.is_none());
    }
}
