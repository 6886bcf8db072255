//! What is known of a panic: who, handling what, where. The panic hook notes it while the stack still stands; whoever catches the panic
//! takes the note.

use std::any::Any;
use std::backtrace::Backtrace;
use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::sync::Once;

mod places;

use crate::incarnation::Current;
use crate::incarnation::Leash;
use crate::incarnation::now_ms;
use crate::path::ActorPath;
use crate::trace;
use crate::trace::TraceContext;

/// How many records are kept in memory.
pub(crate) const KEPT: usize = 1000;

/// Names one crash: `c-81f2…`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CrashId(Arc<str>);

/// One panic.
#[derive(Clone, Debug)]
pub struct CrashRecord {
    pub id: CrashId,
    pub path: ActorPath,
    pub kind: &'static str,
    /// The mail being handled, `"init"`, `"child_exited"` or the task's kind.
    pub mail: &'static str,
    pub generation: u64,
    /// How often mail of this kind has crashed this actor without a success between; 1 = the first time.
    pub in_a_row: u32,
    pub message: Arc<str>,
    /// `file:line:column`.
    pub location: Arc<str>,
    pub trace: Option<TraceContext>,
    pub at_ms: i64,
    pub thread: Arc<str>,
    stack: Option<Arc<Backtrace>>,
}

thread_local! {
    static NOTED: RefCell<Option<CrashRecord>> = const { RefCell::new(None) };
}

/// Notes panics of actors and tasks; leaves others to the hook that was there.
pub fn install_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let current = Current::get();
            let Some((leash, current)) = current
                .as_ref()
                .and_then(|current| Some((current.leash.as_ref()?, current)))
            else {
                previous(info);
                return;
            };
            let location = info
                .location()
                .map_or_else(|| "unknown".into(), |at| at.to_string());
            let mut record = blank(leash, text_of(info.payload()), location);
            record.mail = current.mail;
            record.trace = current.trace;
            record.stack = Some(Arc::new(Backtrace::force_capture()));
            let _kept = NOTED.try_with(|noted| noted.replace(Some(record)));
        }));
    });
}

/// Takes the note of the panic that was just caught on this thread.
pub(crate) fn take() -> Option<CrashRecord> {
    NOTED.with(RefCell::take)
}

/// Puts a note back, on the thread where the panic goes on.
pub(crate) fn note(record: CrashRecord) {
    let _kept = NOTED.try_with(|noted| noted.replace(Some(record)));
}

/// A record for a panic the hook did not see.
pub(crate) fn from_payload(leash: &Leash, payload: &(dyn Any + Send)) -> CrashRecord {
    let mut record = blank(leash, text_of(payload), "unknown".to_owned());
    record.mail = leash.pulse.current();
    record
}

fn blank(leash: &Leash, message: String, location: String) -> CrashRecord {
    CrashRecord {
        id: CrashId(format!("c-{:08x}", trace::random() & 0xffff_ffff).into()),
        path: leash.path.clone(),
        kind: leash.kind,
        mail: "",
        generation: leash.generation,
        in_a_row: 1,
        message: message.into(),
        location: location.into(),
        trace: None,
        at_ms: now_ms(),
        thread: std::thread::current().name().unwrap_or("unnamed").into(),
        stack: None,
    }
}

fn text_of(payload: &dyn Any) -> String {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "panic without a message".to_owned()
    }
}

impl CrashRecord {
    /// The stack at the panic: names, or places in the binary when it was built without names. Resolving takes
    /// milliseconds; it is done here, not where the panic happened.
    pub fn backtrace(&self) -> String {
        let Some(stack) = &self.stack else {
            return String::new();
        };
        let named = stack.to_string();
        if named.contains("::") {
            return named;
        }
        places::places(&format!("{stack:#}"), places::base()).unwrap_or(named)
    }
}

impl CrashId {
    pub fn parse(id: &str) -> Self {
        Self(Arc::from(id))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CrashId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for CrashId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
