//! What is due, what ran, and what was missed.

use super::*;

/// Missed occurrences are counted up to here; more are "many".
const COUNTED: u32 = 1000;

impl Scheduler {
    /// Starts what is due and has room, then sets the timer.
    pub(super) fn run_due(&mut self, ctx: &mut Context<Self>) {
        if !self.is_loaded {
            self.show();
            self.timer = Some(ctx.after(LOOK, CronMail::Due));
            return;
        }
        let now = now_ms();
        let mut is_changed = self.settle(now);
        if is_enabled(&self.services) {
            for id in self.cut_off() {
                is_changed = true;
                self.begin(&id.0, id.1, Vec::new(), ctx);
            }
            for id in self.due(now) {
                if self.running.len() >= self.room() {
                    break;
                }
                is_changed = true;
                self.fire(&id, now, ctx);
            }
        }
        if is_changed {
            self.save(ctx);
        } else {
            self.show();
        }
        self.arm(ctx);
    }

    fn room(&self) -> usize {
        let room = setting(&self.services.configuration(), "maxConcurrentRuns");
        let room = room
            .and_then(|room| room.as_u64())
            .and_then(|room| usize::try_from(room).ok());
        room.unwrap_or(1).max(1)
    }

    /// Gives jobs without a next time one.
    fn settle(&mut self, now: i64) -> bool {
        let mut is_changed = false;
        for job in &mut self.jobs {
            let wanted = match job.state.next_run_at_ms {
                _ if !job.enabled => None,
                None => match Schedule::read(&job.schedule) {
                    // A time that passed before the job ever ran is due now.
                    Ok(Schedule::At { at_ms }) if job.state.last_run_at_ms.is_none() => Some(at_ms),
                    _ => next_of(job, now),
                },
                next => next,
            };
            is_changed |= wanted != job.state.next_run_at_ms;
            job.state.next_run_at_ms = wanted;
        }
        is_changed
    }

    /// Occurrences that were at work when an earlier scheduler ended.
    fn cut_off(&self) -> Vec<(String, i64)> {
        let marked = self
            .jobs
            .iter()
            .filter(|job| !self.running.contains_key(&job.id));
        marked
            .filter_map(|job| Some((job.id.clone(), job.state.running_at_ms?)))
            .collect()
    }

    fn due(&self, now: i64) -> Vec<String> {
        let idle = self
            .jobs
            .iter()
            .filter(|job| job.enabled && !self.running.contains_key(&job.id));
        let mut due: Vec<(i64, String)> = idle
            .filter_map(|job| Some((job.state.next_run_at_ms?, job.id.clone())))
            .filter(|(at, _)| *at <= now)
            .collect();
        due.sort();
        due.into_iter().map(|(_, id)| id).collect()
    }

    /// Fires the occurrence that is due. Those between it and now were missed: they are noted, not made up.
    fn fire(&mut self, id: &str, now: i64, ctx: &mut Context<Self>) {
        let Some(job) = self.job(id) else {
            return;
        };
        let due_ms = job.state.next_run_at_ms.unwrap_or(now);
        job.state.next_run_at_ms = next_of(job, now);
        let missed = missed(job, due_ms, now);
        if missed > 0 {
            let many = if missed >= COUNTED { "at least " } else { "" };
            let why =
                format!("{many}{missed} occurrences were missed while nobody watched the clock");
            let entry = json!({
                "ts": now, "jobId": id, "action": "finished", "status": "skipped",
                "error": why, "runAtMs": due_ms, "durationMs": 0,
            });
            note(ctx, store::runs_folder(&self.file()), id.to_owned(), entry);
        }
        self.begin(id, due_ms, Vec::new(), ctx);
    }

    /// Starts an occurrence under this actor.
    pub(super) fn begin(
        &mut self,
        id: &str,
        due_ms: i64,
        waiting: Vec<Reply<Changed>>,
        ctx: &mut Context<Self>,
    ) {
        let (services, scheduler) = (Arc::clone(&self.services), ctx.address());
        let Some(job) = self.job(id) else {
            return;
        };
        job.state.running_at_ms = Some(due_ms);
        let args = RunArgs {
            services,
            job: Arc::new(job.clone()),
            due_ms,
            scheduler,
        };
        let spec = occurrence(args);
        let child = spec.id.clone();
        let running = Running {
            due_ms,
            child,
            waiting,
        };
        self.running.insert(id.to_owned(), running);
        self.emit(id, "started", json!({ "runAtMs": due_ms }));
        if let Err(error) = ctx.child::<CronRun>(spec) {
            let report = Report {
                status: "error",
                error: Some(error.to_string()),
                ..Report::default()
            };
            self.on_ended(id, due_ms, report, ctx);
        }
    }

    /// Notes how an occurrence ended, and whether its job goes on.
    pub(super) fn on_ended(
        &mut self,
        id: &str,
        due_ms: i64,
        report: Report,
        ctx: &mut Context<Self>,
    ) {
        match self.running.get(id) {
            Some(running) if running.due_ms == due_ms => {}
            _ => return,
        }
        let waiting = self
            .running
            .remove(id)
            .map(|running| running.waiting)
            .unwrap_or_default();
        let now = now_ms();
        let mut is_gone = false;
        let mut next = None;
        if let Some(job) = self.job(id) {
            let is_ok = report.status == "ok";
            let is_once = matches!(Schedule::read(&job.schedule), Ok(Schedule::At { .. }));
            let state = &mut job.state;
            state.running_at_ms = None;
            state.last_run_at_ms = Some(due_ms);
            state.last_status = Some(report.status.to_owned());
            state.last_error.clone_from(&report.error);
            state.last_duration_ms = Some(report.duration_ms);
            state.consecutive_errors = (!is_ok).then(|| state.consecutive_errors.unwrap_or(0) + 1);
            if is_once {
                job.enabled = false;
                job.state.next_run_at_ms = None;
                is_gone = is_ok && job.delete_after_run.unwrap_or(true);
            }
            next = job.state.next_run_at_ms;
        }
        let entry = json!({
            "ts": now,
            "jobId": id,
            "action": "finished",
            "status": report.status,
            "error": report.error,
            "summary": report.summary,
            "sessionId": report.session_id,
            "sessionKey": report.session,
            "runAtMs": due_ms,
            "durationMs": report.duration_ms,
            "nextRunAtMs": next,
        });
        let entry = without_nulls(entry);
        self.emit(id, "finished", entry.clone());
        note(ctx, store::runs_folder(&self.file()), id.to_owned(), entry);
        if is_gone {
            self.jobs.retain(|job| job.id != id);
            self.emit(id, "removed", Value::Null);
        }
        for reply in waiting {
            self.unsaved
                .push((reply, json!({ "ok": true, "ran": true })));
        }
        self.save(ctx);
        self.run_due(ctx);
    }
}

/// Occurrences strictly between the one that runs and now.
fn missed(job: &Job, due_ms: i64, now: i64) -> u32 {
    let Ok(schedule) = Schedule::read(&job.schedule) else {
        return 0;
    };
    let (mut count, mut at) = (0, due_ms);
    while count < COUNTED {
        match schedule.next_after(at, &TimeZone::system()) {
            Ok(Some(next)) if next <= now => (count, at) = (count + 1, next),
            _ => break,
        }
    }
    count
}

fn without_nulls(mut value: Value) -> Value {
    if let Value::Object(value) = &mut value {
        value.retain(|_, field| !field.is_null());
    }
    value
}
