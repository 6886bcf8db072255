//! Makes the children those of new specs, touching only what differs.

use std::collections::HashSet;
use std::sync::Arc;

use crate::path::ChildId;
use crate::supervision::policy::Rules;
use crate::supervision::spec::ChildSpec;
use crate::supervision::supervisor::Collector;
use crate::supervision::supervisor::Ctx;
use crate::supervision::supervisor::Order;
use crate::supervision::supervisor::Supervisor;

impl Supervisor {
    pub(super) fn reconcile(
        &mut self,
        specs: &Arc<[ChildSpec]>,
        collector: &Arc<Collector>,
        ctx: &Ctx,
    ) {
        if self.policy.is_closing() {
            return;
        }
        let wanted: HashSet<&ChildId> = specs.iter().map(|spec| &spec.id).collect();
        for id in self.policy.fixed() {
            if !wanted.contains(&id) {
                let path = ctx.path().join(&id);
                self.policy.remove(&id);
                collector.note(|diff| diff.removed.push(path));
            }
        }
        for spec in specs.iter() {
            self.reconcile_one(spec, collector, ctx);
        }
    }

    fn reconcile_one(&mut self, spec: &ChildSpec, collector: &Arc<Collector>, ctx: &Ctx) {
        let path = ctx.path().join(&spec.id);
        let rules = Rules::of(spec, true);
        let going = self.policy.is_going(&spec.id);
        let Some(known) = self.specs.get(&spec.id).filter(|_| !going) else {
            self.admit(spec.clone(), true, ctx);
            collector.note(|diff| diff.added.push(path));
            return;
        };
        let same = known.fingerprint == spec.fingerprint && known.kind == spec.kind;
        self.specs.insert(spec.id.clone(), spec.clone());
        let nested = spec.start.children();
        if same && nested.is_none() {
            // Restart rules are the supervisor's own business: they change without touching the child.
            self.policy.amend(&spec.id, rules);
            collector.note(|diff| diff.untouched.push(path));
            return;
        }
        let up = self.policy.is_up(&spec.id);
        if let Some(children) = nested.filter(|_| same) {
            self.policy.amend(&spec.id, rules);
            let order = Order::Reconcile(children, Arc::clone(collector));
            let nested = ctx.directory().address::<Order>(&path);
            if up && nested.try_send(order).is_ok() {
                collector.note(|diff| diff.untouched.push(path));
            } else {
                // One that is not running takes its new children when it starts; a parked one gets its chance now.
                self.policy.unpark(&spec.id);
                collector.note(|diff| diff.changed.push(path));
            }
            return;
        }
        if up && spec.start.reconfigure(ctx.directory(), &path) {
            self.policy.amend(&spec.id, rules);
            collector.note(|diff| diff.live.push(path));
            return;
        }
        ctx.directory().pardon(&path);
        self.policy.replace(&spec.id, rules);
        collector.note(|diff| diff.changed.push(path));
    }
}
