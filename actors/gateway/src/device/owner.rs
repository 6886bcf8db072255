//! The one actor that changes the devices.
//!
//! Owns: `devices/paired.json`, `pending.json` and `bootstrap.json`. Started under `ingress`. Crashes when a change
//! panics. Survives: what is on disk; the last stored state stays readable at the [`Devices`] desk meanwhile.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use openclaw_protocol::Scope;
use openclaw_runtime::Actor;
use openclaw_runtime::ChildExit;
use openclaw_runtime::ChildSpec;
use openclaw_runtime::Context;
use openclaw_runtime::ExitError;
use openclaw_runtime::Health;
use openclaw_runtime::Mail;
use openclaw_runtime::Task;
use serde_json::Value;
use serde_json::json;

use super::book::Book;
use super::desk::Devices;
use super::file;
use super::record::Pending;
use crate::hub::Audience;
use crate::hub::Broadcast;
use crate::hub::Hub;
use crate::ingress::outbound::Goodbye;
use crate::ingress::websocket::close;
use crate::services::now_ms;

/// How long a write may take before its askers are told that it failed.
const WRITE: Duration = Duration::from_secs(8);

/// How often requests that nobody answered are swept out.
const SWEEP: Duration = Duration::from_secs(60);

/// What a change leaves to do once it is on disk.
pub type Finish = Box<dyn FnOnce(Result<(), String>) + Send>;

/// A change of the devices.
pub struct Change(Box<dyn FnOnce(&mut Draft) -> Finish + Send>);

/// The devices while they are changed.
#[derive(Debug)]
pub struct Draft {
    /// As they will be.
    pub book: Book,
    /// Whom to tell then.
    pub notices: Vec<Notice>,
    /// Now, in milliseconds since 1970.
    pub now_ms: i64,
}

/// What others learn of a change, once it is on disk.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// A device asks to be let in.
    Requested(Box<Pending>),
    /// A request is answered.
    Resolved {
        /// The request; empty when there was none.
        request_id: String,
        /// The device.
        device_id: String,
        /// `approved`, `rejected` or `removed`.
        decision: &'static str,
    },
    /// A device's label is another one.
    Renamed {
        /// The device.
        device_id: String,
    },
    /// A set-up code did its work.
    SetupDone {
        /// The code.
        setup_id: String,
        /// The device.
        device_id: String,
        /// Its label.
        name: Option<String>,
        /// What it may now do.
        access: &'static str,
    },
    /// A device, or its token for one role, lets nobody in any more.
    Ended {
        /// The device.
        device_id: String,
        /// The role; all when absent.
        role: Option<String>,
        /// What its connections are told.
        reason: &'static str,
        /// The connection that is to hear the answer first, and closes itself.
        spare: Option<u64>,
    },
}

/// Mail of the owner.
#[derive(Debug)]
pub enum DeviceMail {
    /// Somebody wants a change.
    Change(Change),
    /// A state is on disk, or isn't.
    Written(Result<(), String>),
    /// Time to sweep out.
    Sweep,
}

impl Mail for DeviceMail {
    fn kind(&self) -> &'static str {
        match self {
            Self::Change(_) => "change",
            Self::Written(_) => "written",
            Self::Sweep => "sweep",
        }
    }
}

impl Change {
    /// A change; it hands back what to do when it is stored.
    pub fn new(work: impl FnOnce(&mut Draft) -> Finish + Send + 'static) -> Self {
        Self(Box::new(work))
    }
}

impl std::fmt::Debug for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Change")
    }
}

/// What the owner starts from.
#[derive(Debug, Clone)]
pub struct OwnerArgs {
    /// Where everybody reads.
    pub devices: Devices,
    /// Whom to tell.
    pub hub: Hub,
}

/// The owner.
pub struct Owner {
    args: OwnerArgs,
    waiting: Vec<Change>,
    writing: Option<Writing>,
}

struct Writing {
    draft: Draft,
    finishes: Vec<Finish>,
}

impl Owner {
    /// Its place under `ingress`.
    pub fn spec(args: OwnerArgs) -> ChildSpec {
        ChildSpec::actor::<Self>("devices", args).capacity(512)
    }

    /// Makes all waiting changes on one copy, and stores it if it differs.
    fn pump(&mut self, ctx: &mut Context<Self>) {
        if self.writing.is_some() || self.waiting.is_empty() {
            return;
        }
        let stored = self.args.devices.book();
        let mut draft = Draft {
            book: (*stored).clone(),
            notices: Vec::new(),
            now_ms: now_ms(),
        };
        draft.book.prune(draft.now_ms);
        let finishes = self
            .waiting
            .drain(..)
            .map(|change| (change.0)(&mut draft))
            .collect();
        if draft.book == *stored {
            finish(finishes, &Ok(()));
            self.tell(&draft);
            return;
        }
        self.args.devices.fill_in_seen(&mut draft.book);
        let book = draft.book.clone();
        let folder = self.args.devices.folder().to_owned();
        let writing = async move {
            let write = move || write(&folder, &stored, &book);
            match tokio::task::spawn_blocking(write).await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(error) => Err(error.to_string()),
            }
        };
        self.writing = Some(Writing { draft, finishes });
        let task = Task::new("write").kind("device.write").deadline(WRITE);
        ctx.task(task, writing, DeviceMail::Written);
    }

    fn on_written(&mut self, written: &Result<(), String>, ctx: &mut Context<Self>) {
        let Some(Writing { draft, finishes }) = self.writing.take() else {
            return;
        };
        match written {
            Ok(()) => {
                ctx.health(Health::Ok);
                // What lets nobody in any more is gone from here before its connections are closed.
                self.args.devices.publish(Arc::new(draft.book.clone()));
                finish(finishes, written);
                self.tell(&draft);
            }
            Err(problem) => {
                tracing::error!(%problem, "devices can't be stored");
                ctx.health(Health::Degraded);
                finish(finishes, written);
            }
        }
        let count = self.args.devices.book().paired.len();
        ctx.note(format!("{count} paired"));
        self.pump(ctx);
    }

    fn tell(&self, draft: &Draft) {
        for notice in &draft.notices {
            match notice {
                Notice::Requested(request) => {
                    let payload = serde_json::to_value(request).unwrap_or_default();
                    self.broadcast("device.pair.requested", payload);
                }
                Notice::Resolved {
                    request_id,
                    device_id,
                    decision,
                } => self.broadcast(
                    "device.pair.resolved",
                    json!({
                        "requestId": request_id, "deviceId": device_id, "decision": decision,
                        "ts": draft.now_ms,
                    }),
                ),
                Notice::Renamed { device_id } => {
                    self.broadcast("device.pair.changed", json!({ "deviceId": device_id }));
                }
                Notice::SetupDone {
                    setup_id,
                    device_id,
                    name,
                    access,
                } => {
                    let mut payload = json!({
                        "setupId": setup_id, "deviceId": device_id, "access": access,
                        "ts": draft.now_ms,
                    });
                    if let (Value::Object(payload), Some(name)) = (&mut payload, name) {
                        payload.insert("deviceName".to_owned(), json!(name));
                    }
                    self.broadcast("device.pair.setup.completed", payload);
                }
                Notice::Ended {
                    device_id,
                    role,
                    reason,
                    spare,
                } => {
                    let goodbye = Goodbye::new(close::AUTH_CHANGED, *reason);
                    let closed =
                        self.args
                            .hub
                            .close_device(device_id, role.as_deref(), *spare, &goodbye);
                    tracing::info!(device = %device_id, ?role, closed, reason, "a device's access ended");
                }
            }
        }
    }

    fn broadcast(&self, name: &'static str, payload: Value) {
        let audience = match name {
            "device.pair.requested" | "device.pair.resolved" => Audience::Holders(Scope::Pairing),
            _ => Audience::LateHolders(Scope::Pairing),
        };
        self.args.hub.broadcast(&Broadcast {
            name,
            payload,
            audience,
            is_stale_soon: true,
            has_state_version: false,
        });
    }
}

fn finish(finishes: Vec<Finish>, written: &Result<(), String>) {
    for finish in finishes {
        finish(written.clone());
    }
}

/// Writes the files that differ. Grants come last: what a crash leaves behind never gives more than was approved.
fn write(folder: &Path, before: &Book, after: &Book) -> std::io::Result<()> {
    if before.pending != after.pending {
        file::write_json(&folder.join("pending.json"), &after.pending)?;
    }
    if before.setups != after.setups {
        file::write_json(&folder.join("bootstrap.json"), &after.setups)?;
    }
    if before.paired != after.paired {
        file::write_json(&folder.join("paired.json"), &after.paired)?;
    }
    Ok(())
}

impl std::fmt::Debug for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Owner").finish_non_exhaustive()
    }
}

impl Actor for Owner {
    const KIND: &'static str = "devices";
    type Mail = DeviceMail;
    type Args = OwnerArgs;

    fn init(args: OwnerArgs, ctx: &mut Context<Self>) -> Result<Self, ExitError> {
        ctx.note(format!("{} paired", args.devices.book().paired.len()));
        Ok(Self {
            args,
            waiting: Vec::new(),
            writing: None,
        })
    }

    fn started(&mut self, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        ctx.after(SWEEP, DeviceMail::Sweep);
        Ok(())
    }

    fn handle(&mut self, mail: DeviceMail, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        match mail {
            DeviceMail::Change(change) => {
                self.waiting.push(change);
                self.pump(ctx);
            }
            DeviceMail::Written(written) => self.on_written(&written, ctx),
            DeviceMail::Sweep => {
                ctx.after(SWEEP, DeviceMail::Sweep);
                self.waiting
                    .push(Change::new(|_| Box::new(|_: Result<(), String>| {})));
                self.pump(ctx);
            }
        }
        Ok(())
    }

    fn child_exited(&mut self, exit: ChildExit, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        if !exit.exit.is_clean() {
            let problem = format!("the write ended: {}", exit.exit);
            self.on_written(&Err(problem), ctx);
        }
        Ok(())
    }
}
