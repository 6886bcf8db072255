//! Which budgets a call falls under, and what people are told when one is used up.
//!
//! Pure. A budget of the configuration becomes a limit of the ledger; a limit that refuses becomes a notice with what
//! is left and the one command that raises it.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use openclaw_ledger::Limit;
use openclaw_ledger::Owner;
use openclaw_ledger::Scope;
use openclaw_ledger::Shortage;
use openclaw_ledger::UsageRow;
use openclaw_protocol::config::Amount;
use openclaw_protocol::config::Budget;
use openclaw_protocol::config::Budgets;
use openclaw_protocol::config::Path;
use openclaw_protocol::config::budget::entry;
use openclaw_protocol::config::issue::shell_word;

/// What is proposed where nothing at all may be spent.
const FIRST_TOKENS: u64 = 100_000;
const FIRST_USD: f64 = 1.0;

/// A budget that a call falls under.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bound {
    pub(crate) limit: Limit,
    /// Whose it is, for people.
    whose: String,
    /// Where it stands in the configuration.
    path: Path,
    is_per_run: bool,
    amount: Amount,
}

/// The day of a moment, and when it began.
pub(crate) fn day(now_ms: i64, zone: &TimeZone) -> (Date, i64) {
    let now = Timestamp::from_millisecond(now_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    let date = now.to_zoned(zone.clone()).date();
    let start = date.to_zoned(zone.clone()).map(|start| start.timestamp());
    let start = start.unwrap_or(now).as_millisecond();
    (date, start)
}

/// The budgets that bind a call. `day_ms` and `run_ms` are when its day and its run began.
pub(crate) fn bounds(budgets: &Budgets, call: &UsageRow, day_ms: i64, run_ms: i64) -> Vec<Bound> {
    let root = Path::root().key("budgets");
    let mut bounds = Vec::new();
    let mut bind = |budget: &Budget, owner: &Owner, whose: String, path: Path| {
        let day = (&budget.per_day, Scope::day(&call.day, owner), day_ms, false);
        let run = (&budget.per_run, Scope::run(&call.run), run_ms, true);
        for (amount, scope, since_ms, is_per_run) in [day, run] {
            if amount.is_open() {
                continue;
            }
            bounds.push(Bound {
                limit: Limit {
                    scope,
                    since_ms,
                    tokens: amount.tokens,
                    micro_usd: amount.usd.map(openclaw_ledger::micro_usd),
                },
                whose: whose.clone(),
                path: path.key(if is_per_run { "perRun" } else { "perDay" }),
                is_per_run,
                amount: *amount,
            });
        }
    };
    bind(
        &budgets.total,
        &Owner::All,
        "all agents".to_owned(),
        root.key("total"),
    );
    if let Some((name, budget)) = entry(&budgets.agents, &call.agent) {
        let owner = Owner::Agent(call.agent.clone());
        let path = root.key("agents").key(name);
        bind(budget, &owner, format!("agent {}", call.agent), path);
    }
    if let Some((name, budget)) = entry(&budgets.accounts, &call.channel) {
        let owner = Owner::Account(call.channel.clone());
        let path = root.key("accounts").key(name);
        bind(budget, &owner, call.channel.clone(), path);
    }
    if let Some(job) = &call.job
        && let Some((name, budget)) = entry(&budgets.jobs, job)
    {
        let path = root.key("jobs").key(name);
        bind(budget, &Owner::Job(job.clone()), format!("job {job}"), path);
    }
    bounds
}

/// What a person is told when a budget has too little left for a call.
pub(crate) fn refusal(bound: &Bound, shortage: &Shortage, day: &str) -> String {
    let show = |amount: u64| match shortage.is_money {
        true => dollars(amount),
        false => format!("{} tokens", grouped(amount)),
    };
    let left = shortage
        .most
        .saturating_sub(shortage.spent.saturating_add(shortage.held));
    let what = match bound.is_per_run {
        true => "The budget of one run",
        false => "Today's budget",
    };
    let held = match shortage.held {
        0 => String::new(),
        held => format!(", {} are kept back for calls under way", show(held)),
    };
    let anew = match bound.is_per_run {
        true => String::new(),
        false => format!(" It begins anew after {day} ends."),
    };
    format!(
        "{what} for {} is used up: {} of {} are spent{held}, {} are left, and this call needs about {}. \
         No model was asked.{anew} To raise it: {}",
        bound.whose,
        show(shortage.spent),
        show(shortage.most),
        show(left),
        show(shortage.needed),
        raise(bound, shortage.is_money),
    )
}

/// The command that doubles a budget.
fn raise(bound: &Bound, is_money: bool) -> String {
    let (key, value) = if is_money {
        let most = bound.amount.usd.unwrap_or_default();
        let more = if most > 0.0 { most * 2.0 } else { FIRST_USD };
        ("usd", format!("{more}"))
    } else {
        let most = bound.amount.tokens.unwrap_or_default();
        let more = most.saturating_mul(2);
        let more = if more > 0 { more } else { FIRST_TOKENS };
        ("tokens", more.to_string())
    };
    let path = bound.path.key(key).to_string();
    format!("openclaw config set {} {value}", shell_word(&path))
}

/// An amount of money for people, from millionths of a dollar.
pub(crate) fn dollars(micro_usd: u64) -> String {
    #[allow(clippy::cast_precision_loss)] // nobody has 2^52 millionths
    let usd = micro_usd as f64 / 1_000_000.0;
    if usd > 0.0 && usd < 0.01 {
        return format!("${usd:.4}");
    }
    format!("${usd:.2}")
}

/// A number in groups of three digits.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use openclaw_protocol::SessionKey;
    use serde_json::json;

    use super::*;

    fn call() -> UsageRow {
        UsageRow {
            day: "2026-02-15".to_owned(),
            run: "r".to_owned(),
            channel: "telegram/home".to_owned(),
            job: Some("news".to_owned()),
            ..UsageRow::new(SessionKey::parse("agent:main:x").unwrap(), 5)
        }
    }

    fn bounds_of(budgets: serde_json::Value) -> Vec<Bound> {
        let budgets: Budgets = serde_json::from_value(budgets).unwrap();
        bounds(&budgets, &call(), 1, 2)
    }

    #[test]
    fn a_call_falls_under_every_budget_of_its_owners() {
        let bounds = bounds_of(json!({
            "total": { "perDay": { "usd": 1.5 } },
            "agents": { "main": { "perDay": { "tokens": 5 }, "perRun": { "tokens": 3 } }, "other": { "perDay": { "tokens": 1 } } },
            "accounts": { "*": { "perRun": { "tokens": 9 } } },
            "jobs": { "news": { "perDay": { "tokens": 8 } }, "*": { "perDay": { "tokens": 1 } } },
        }));
        let seen: Vec<_> = bounds
            .iter()
            .map(|bound| {
                let limit = &bound.limit;
                let most = limit.tokens.or(limit.micro_usd).unwrap();
                (limit.scope.to_string(), most, limit.since_ms)
            })
            .collect();
        let day = |rest: &str| format!("day:2026-02-15:{rest}");
        assert_eq!(
            seen,
            [
                (day("all"), 1_500_000, 1),
                (day("agent:main"), 5, 1),
                ("run:r".to_owned(), 3, 2),
                ("run:r".to_owned(), 9, 2),
                (day("job:news"), 8, 1),
            ]
        );
        assert_eq!(bounds_of(json!({})), []);
    }

    #[test]
    fn a_refusal_says_what_is_left_and_how_to_raise_it() {
        let bounds = bounds_of(json!({
            "agents": { "main": { "perDay": { "tokens": 20000 } } },
            "accounts": { "telegram/home": { "perRun": { "usd": 0.25 } } },
        }));
        let shortage = Shortage {
            limit: 0,
            is_money: false,
            most: 20_000,
            spent: 19_800,
            held: 0,
            needed: 1_200,
        };
        let text = refusal(&bounds[0], &shortage, "2026-02-15");
        assert!(text.starts_with(
            "Today's budget for agent main is used up: 19,800 tokens of 20,000 tokens are spent, 200 tokens are left"
        ), "{text}");
        assert!(
            text.ends_with(
                "To raise it: openclaw config set budgets.agents.main.perDay.tokens 40000"
            ),
            "{text}"
        );
        let money = Shortage {
            is_money: true,
            most: 250_000,
            spent: 249_000,
            ..shortage
        };
        let text = refusal(&bounds[1], &money, "2026-02-15");
        assert!(text.contains("$0.25 are spent"), "{text}");
        assert!(text.contains("perRun.usd"), "{text}");
        assert!(text.ends_with(" 0.5"), "{text}");
    }
}
