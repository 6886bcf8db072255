//! A future as a child: visible, killable, its panic caught.

use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::task::AbortHandle;

use crate::actor::BoxFuture;
use crate::actor::Mail;
use crate::directory::Directory;
use crate::exit::Exit;
use crate::exit::KillReason;
use crate::incarnation::current::Current;
use crate::incarnation::current::entered;
use crate::incarnation::leash::ChildNote;
use crate::incarnation::leash::Handle;
use crate::incarnation::leash::Leash;
use crate::incarnation::leash::Parent;
use crate::incarnation::shim::record_panic;
use crate::mail::Inlet;
use crate::mail::Parcel;
use crate::trace::TraceContext;
use crate::vitals::Vitals;

/// What a task is made of, whatever it computes: the code below exists once and not for each kind of future.
pub(crate) struct TaskLaunch {
    pub(crate) leash: Arc<Leash>,
    pub(crate) vitals: Arc<Vitals>,
    pub(crate) directory: Directory,
    pub(crate) parent: Arc<dyn Parent>,
    pub(crate) trace: Option<TraceContext>,
}

/// Makes mail of a task's output and hands it in; false = nobody takes it any more.
pub(crate) type Deliver = Box<dyn FnOnce(&Leash) -> bool + Send>;

/// Polls the future as its own incarnation. `None` = it panicked.
struct Body {
    work: BoxFuture<'static, Deliver>,
    leash: Arc<Leash>,
    vitals: Arc<Vitals>,
    directory: Directory,
    trace: Option<TraceContext>,
}

/// Reports the end of a task, however it comes.
struct TaskGuard {
    leash: Arc<Leash>,
    vitals: Arc<Vitals>,
    directory: Directory,
    parent: Arc<dyn Parent>,
    handed_in: bool,
}

struct Abort(AbortHandle);

/// Does the work, then hands in what `done` makes of its output.
pub(crate) fn work<M: Mail, T: Send + 'static>(
    future: impl Future<Output = T> + Send + 'static,
    parent: Arc<Inlet<M>>,
    done: impl FnOnce(T) -> Parcel<M> + Send + 'static,
) -> BoxFuture<'static, Deliver> {
    Box::pin(async move {
        let output = future.await;
        let deliver: Deliver = Box::new(move |leash| {
            let parcel = done(output);
            // Its parent may read the parcel at once: the exit stands before.
            leash.set_exit(Exit::Normal);
            parent.post_or_drop(parcel)
        });
        deliver
    })
}

/// Starts a task. The one place that spawns on tokio for others.
#[allow(clippy::disallowed_methods)]
pub(crate) fn launch_task(launch: TaskLaunch, work: BoxFuture<'static, Deliver>) {
    let TaskLaunch {
        leash,
        vitals,
        directory,
        parent,
        trace,
    } = launch;
    let body = Body {
        work,
        leash: Arc::clone(&leash),
        vitals: Arc::clone(&vitals),
        directory: directory.clone(),
        trace,
    };
    let guard = TaskGuard {
        leash: Arc::clone(&leash),
        vitals,
        directory,
        parent,
        handed_in: false,
    };
    let join = tokio::spawn(async move {
        // The whole guard moves in: a captured copy of one field would not be what its drop sees.
        let mut guard = guard;
        let Some(deliver) = body.await else { return };
        let leash = Arc::clone(&guard.leash);
        let current = Current {
            leash: Some(Arc::clone(&leash)),
            mail: "done",
            trace,
        };
        match catch_unwind(AssertUnwindSafe(|| entered(current, || deliver(&leash)))) {
            Ok(handed_in) => guard.handed_in = handed_in,
            Err(payload) => {
                let record = record_panic(&leash, &*payload);
                leash.set_exit(Exit::Panicked(record.id.clone()));
                guard.directory.record_crash(record);
            }
        }
    });
    leash.attach(Box::new(Abort(join.abort_handle())));
    if leash.kill_reason().is_some() {
        join.abort();
    }
}

/// Runs `then` after a delay of tokio's clock.
#[allow(clippy::disallowed_methods)]
pub(crate) fn spawn_timer(delay: Duration, then: impl FnOnce() + Send + 'static) -> AbortHandle {
    tokio::spawn(async move {
        tokio::time::sleep(delay).await;
        then();
    })
    .abort_handle()
}

impl Future for Body {
    type Output = Option<Deliver>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Option<Deliver>> {
        let this = &mut *self;
        let closely = this.directory.watches_closely();
        this.leash.pulse.enter(this.leash.kind, closely);
        this.directory.alert();
        let current = Current {
            leash: Some(Arc::clone(&this.leash)),
            mail: this.leash.kind,
            trace: this.trace,
        };
        let work = &mut this.work;
        let polled = catch_unwind(AssertUnwindSafe(|| {
            entered(current, || work.as_mut().poll(cx))
        }));
        let ran = this.leash.pulse.leave();
        this.directory.note_run(&this.leash, &this.vitals, ran);
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(deliver)) => Poll::Ready(Some(deliver)),
            Err(payload) => {
                let record = record_panic(&this.leash, &*payload);
                this.leash.set_exit(Exit::Panicked(record.id.clone()));
                this.directory.record_crash(record);
                Poll::Ready(None)
            }
        }
    }
}

impl Drop for TaskGuard {
    fn drop(&mut self) {
        self.leash.brood.end(KillReason::Shutdown);
        self.directory.task_ended(&self.leash, &self.vitals);
        if !self.handed_in {
            self.parent.tell(ChildNote::Ended(self.leash.generation));
        }
    }
}

impl Handle for Abort {
    fn kill(&self) {
        self.0.abort();
    }

    fn stop(&self) -> bool {
        false
    }
}
