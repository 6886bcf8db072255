//! What clients change. An answer goes out when the change is on disk.

use super::*;

impl Scheduler {
    pub(super) fn on_change(
        &mut self,
        change: Change,
        reply: Reply<Changed>,
        ctx: &mut Context<Self>,
    ) {
        if !self.is_loaded || self.problem.is_some() {
            let why = self.problem.clone();
            let why = why.unwrap_or_else(|| "the jobs are still being read".to_owned());
            reply.send(Err(CronError::Unavailable(why)));
            return;
        }
        let changed = match change {
            Change::Add(said) => self.add(&said),
            Change::Update { id, patch } => self.update(&id, &patch),
            Change::Remove { id } => self.remove(&id),
            Change::Run { id, only_due } => return self.run(&id, only_due, reply, ctx),
        };
        match changed {
            Ok(answer) => {
                self.unsaved.push((reply, answer));
                self.save(ctx);
                self.arm(ctx);
            }
            Err(error) => reply.send(Err(error)),
        }
    }

    fn add(&mut self, said: &Value) -> Changed {
        let (id, now) = (uuid::Uuid::new_v4().to_string(), now_ms());
        let mut job = Job::create(said, id, now).map_err(CronError::Invalid)?;
        if job.enabled {
            job.state.next_run_at_ms = match Schedule::read(&job.schedule) {
                Ok(Schedule::At { at_ms }) => Some(at_ms),
                _ => next_of(&job, now),
            };
        }
        let next = json!({ "nextRunAtMs": job.state.next_run_at_ms });
        self.emit(&job.id, "added", next);
        let answer = value(&job)?;
        self.jobs.push(job);
        Ok(answer)
    }

    fn update(&mut self, id: &str, patch: &Value) -> Changed {
        let now = now_ms();
        let job = self.job(id).ok_or_else(|| unknown(id))?;
        job.patch(patch, now).map_err(CronError::Invalid)?;
        if !job.enabled {
            job.state.next_run_at_ms = None;
        } else if job.state.next_run_at_ms.is_none() {
            job.state.next_run_at_ms = match Schedule::read(&job.schedule) {
                Ok(Schedule::At { at_ms }) => Some(at_ms),
                _ => next_of(job, now),
            };
        }
        let next = json!({ "nextRunAtMs": job.state.next_run_at_ms });
        let answer = value(job)?;
        self.emit(id, "updated", next);
        Ok(answer)
    }

    fn remove(&mut self, id: &str) -> Changed {
        let before = self.jobs.len();
        self.jobs.retain(|job| job.id != id);
        let is_removed = self.jobs.len() < before;
        if is_removed {
            self.emit(id, "removed", Value::Null);
        }
        Ok(json!({ "ok": true, "removed": is_removed }))
    }

    fn run(&mut self, id: &str, only_due: bool, reply: Reply<Changed>, ctx: &mut Context<Self>) {
        let now = now_ms();
        let is_running = self.running.contains_key(id);
        let Some(job) = self.job(id) else {
            reply.send(Err(unknown(id)));
            return;
        };
        let is_due = job.enabled && job.state.next_run_at_ms.is_some_and(|next| next <= now);
        let not = |reason: &str| Ok(json!({ "ok": true, "ran": false, "reason": reason }));
        if is_running {
            reply.send(not("already-running"));
        } else if only_due && !is_due {
            reply.send(not("not-due"));
        } else {
            self.begin(id, now, vec![reply], ctx);
            self.save(ctx);
        }
    }
}

fn unknown(id: &str) -> CronError {
    CronError::Invalid(format!("unknown cron job id: {id}"))
}

fn value(job: &Job) -> Changed {
    serde_json::to_value(job).map_err(|error| CronError::Unavailable(error.to_string()))
}
