//! What calls cost, and what is kept back for them while they run.
//!
//! A scope is counted from the first time that a budget binds it: its sum is made from the rows that are there, and
//! every row written later is added in the same transaction. What a running call may still cost stands in its own
//! row until the call's usage takes its place; one whose process died counts in full, as nobody knows better.

use serde::{Deserialize, Serialize};

use crate::codec;
use crate::error::{Reject, Stop};
use crate::key;
use crate::op::Call;
use crate::row::{Limit, Reservation, Reserved, Shortage, Spent, UsageRow};
use crate::table::{TableId, Tables};

/// What is kept back for a call.
#[derive(Debug, Serialize, Deserialize)]
struct Hold {
    row: UsageRow,
    spent: Spent,
}

/// Keeps back what a call may cost, if every budget has it left.
pub(super) fn reserve(tables: &mut impl Tables, asked: &Reservation) -> Result<Reserved, Stop> {
    let held = holds(tables, &[])?;
    let mut output = asked.call.output;
    for (n, limit) in asked.limits.iter().enumerate() {
        let spent = counted(tables, limit)?;
        let mut kept_back = Spent::default();
        for (_, hold) in &held {
            if hold.row.scopes().contains(&limit.scope) {
                kept_back.add(hold.spent);
            }
        }
        match fits(asked, n, limit, spent, kept_back) {
            Ok(most) => output = output.min(most),
            Err(shortage) => return Ok(Reserved::Refused(shortage)),
        }
    }
    let mut row = asked.call.clone();
    row.output = output;
    row.cost_usd = usd(asked.price, row.input, output);
    row.input_usd = usd(asked.price, row.input, 0);
    row.output_usd = usd(asked.price, 0, output);
    row.estimated = true;
    let hold = Hold {
        spent: Spent::of(&row),
        row,
    };
    let body = encode(TableId::Held, &hold)?;
    tables.put(TableId::Held, &held_key(&hold.row), &codec::seal(&body))?;
    Ok(Reserved::Granted { output })
}

/// How much a call may write under one limit.
fn fits(
    asked: &Reservation,
    n: usize,
    limit: &Limit,
    spent: Spent,
    held: Spent,
) -> Result<u64, Shortage> {
    let (input, least) = (asked.call.input, asked.least_output.min(asked.call.output));
    let mut output = asked.call.output;
    if let Some(most) = limit.tokens {
        let left = most.saturating_sub(spent.tokens.saturating_add(held.tokens));
        let needed = input.saturating_add(least);
        if needed > left {
            return Err(Shortage {
                limit: n,
                is_money: false,
                most,
                spent: spent.tokens,
                held: held.tokens,
                needed,
            });
        }
        output = output.min(left - input);
    }
    let price = |output| crate::row::micro_usd(usd(asked.price, input, output));
    if let Some(most) = limit.micro_usd
        && price(asked.call.output) > 0
    {
        let left = most.saturating_sub(spent.micro_usd.saturating_add(held.micro_usd));
        let needed = price(least);
        if needed > left {
            return Err(Shortage {
                limit: n,
                is_money: true,
                most,
                spent: spent.micro_usd,
                held: held.micro_usd,
                needed,
            });
        }
        // The most that can be written for what is left; between `least` and what was asked for.
        let (mut low, mut high) = (least, output.max(least));
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            if price(middle) <= left {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        output = low;
    }
    Ok(output)
}

/// Writes down what calls cost; what was kept back for them is free again.
pub(super) fn record(tables: &mut impl Tables, calls: &[Call]) -> Result<(), Stop> {
    for call in calls {
        tables.remove(TableId::Held, &held_key(&call.row))?;
        put(tables, &call.row, &call.body)?;
    }
    Ok(())
}

/// Counts in full what was kept back below a prefix: nobody will say any more what it cost.
pub(super) fn settle(tables: &mut impl Tables, prefix: &[u8]) -> Result<(), Stop> {
    for (held_key, hold) in holds(tables, prefix)? {
        tables.remove(TableId::Held, &held_key)?;
        let body = encode(TableId::Usage, &hold.row)?;
        put(tables, &hold.row, &body)?;
    }
    Ok(())
}

fn put(tables: &mut impl Tables, row: &UsageRow, body: &[u8]) -> Result<(), Stop> {
    let usage_key = key::usage(row.at_ms, &row.session, row.turn, row.call);
    tables.put(TableId::Usage, &usage_key, &codec::seal(body))?;
    for scope in row.scopes() {
        let key = key::prefix(scope.as_str());
        if let Some(value) = tables.get(TableId::Spent, &key)? {
            let mut spent: Spent = read(TableId::Spent, &value)?;
            spent.add(Spent::of(row));
            store(tables, &key, row.at_ms, spent)?;
        }
    }
    Ok(())
}

/// What a scope has spent; counted from its rows when it is asked for the first time.
fn counted(tables: &mut impl Tables, limit: &Limit) -> Result<Spent, Stop> {
    let key = key::prefix(limit.scope.as_str());
    if let Some(value) = tables.get(TableId::Spent, &key)? {
        return read(TableId::Spent, &value);
    }
    let mut spent = Spent::default();
    let mut last = limit.since_ms;
    tables.scan(
        TableId::Usage,
        &key::time(limit.since_ms),
        &[0xff],
        &mut |_, value| {
            let row = codec::unseal(TableId::Usage, value)
                .and_then(|row| codec::parse::<UsageRow>(TableId::Usage, row));
            if let Ok(row) = row
                && row.scopes().contains(&limit.scope)
            {
                last = last.max(row.at_ms);
                spent.add(Spent::of(&row));
            }
            true
        },
    )?;
    store(tables, &key, last, spent)?;
    Ok(spent)
}

fn store(tables: &mut impl Tables, key: &[u8], at_ms: i64, spent: Spent) -> Result<(), Stop> {
    let body = encode(TableId::Spent, &spent)?;
    tables.put(TableId::Spent, key, &codec::seal_at(at_ms, &body))
}

fn holds(tables: &mut impl Tables, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Hold)>, Stop> {
    let mut found = Vec::new();
    tables.scan(
        TableId::Held,
        prefix,
        &key::end(prefix),
        &mut |key, value| {
            let hold = codec::unseal(TableId::Held, value)
                .and_then(|hold| codec::parse::<Hold>(TableId::Held, hold));
            match hold {
                Ok(hold) => found.push((key.to_vec(), hold)),
                Err(error) => tracing::error!(%error, "a reservation cannot be read"),
            }
            true
        },
    )?;
    Ok(found)
}

fn held_key(row: &UsageRow) -> Vec<u8> {
    key::step(&row.session, row.turn, row.call)
}

fn read(table: TableId, value: &[u8]) -> Result<Spent, Stop> {
    let (_, spent) = codec::unseal_at(table, value)?;
    Ok(codec::parse(table, spent)?)
}

fn encode<T: Serialize>(table: TableId, value: &T) -> Result<Vec<u8>, Stop> {
    serde_json::to_vec(value).map_err(|error| {
        Reject::Corrupt {
            table: table.name(),
            detail: error.to_string(),
        }
        .into()
    })
}

#[allow(clippy::cast_precision_loss)] // no call has 2^52 tokens
fn usd(price: (f64, f64), input: u64, output: u64) -> f64 {
    (input as f64 * price.0 + output as f64 * price.1) / 1_000_000.0
}
