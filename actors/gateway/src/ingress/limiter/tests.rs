use std::net::IpAddr;
use std::time::Duration;
use std::time::Instant;

use openclaw_protocol::config::gateway::RateLimit;

use super::Account;
use super::Limit;
use super::Limiter;
use super::TRIES;
use super::WINDOW;
use crate::ingress::peer::CanonicalAddress;

fn wrong(limiter: &mut Limiter, address: &str, now: Instant) -> bool {
    guess(limiter, address, now, false).is_ok()
}

fn guess(
    limiter: &mut Limiter,
    address: &str,
    now: Instant,
    is_right: bool,
) -> Result<Result<(), ()>, super::TooMany> {
    let address = CanonicalAddress::of(address.parse::<IpAddr>().unwrap());
    limiter.attempt(
        &address,
        &Account::SharedSecret,
        now,
        Limit::default(),
        |()| true,
        || {
            if is_right { Ok(()) } else { Err(()) }
        },
    )
}

#[test]
fn loopback_in_all_its_spellings_has_ten_tries_a_minute_in_all() {
    let mut limiter = Limiter::default();
    let start = Instant::now();
    let spellings = ["127.0.0.1", "::1", "::ffff:127.0.0.1", "127.1.2.3"];
    let looked_at = (0..40_u32)
        .filter(|n| {
            let address = spellings[*n as usize % spellings.len()];
            wrong(
                &mut limiter,
                address,
                start + Duration::from_millis(u64::from(*n)),
            )
        })
        .count();
    assert_eq!(looked_at, TRIES);
    assert_eq!(limiter.total(), TRIES as u64);
}

#[test]
fn a_right_credential_is_not_looked_at_while_the_bucket_is_empty_and_is_afterwards() {
    let mut limiter = Limiter::default();
    let start = Instant::now();
    for _ in 0..TRIES {
        assert!(wrong(&mut limiter, "127.0.0.1", start));
    }
    let refused = guess(&mut limiter, "::1", start + Duration::from_secs(20), true).unwrap_err();
    assert_eq!(refused.retry_after, Duration::from_secs(40));
    assert_eq!(guess(&mut limiter, "::1", start + WINDOW, true), Ok(Ok(())));
}

#[test]
fn success_costs_nothing_and_other_addresses_are_untouched() {
    let mut limiter = Limiter::default();
    let now = Instant::now();
    for _ in 0..50 {
        assert_eq!(guess(&mut limiter, "127.0.0.1", now, true), Ok(Ok(())));
    }
    for _ in 0..TRIES {
        assert!(wrong(&mut limiter, "10.0.0.1", now));
    }
    assert!(!wrong(&mut limiter, "10.0.0.1", now));
    assert!(wrong(&mut limiter, "10.0.0.2", now));
}

#[test]
fn strangers_beyond_the_last_bucket_share_one() {
    let mut limiter = Limiter::default();
    let now = Instant::now();
    for n in 0..super::BUCKETS {
        let n = u32::try_from(n).unwrap();
        let address = IpAddr::from(std::net::Ipv4Addr::from_bits(0x0b00_0000 + n));
        assert!(wrong(&mut limiter, &address.to_string(), now));
    }
    let looked_at = (0..50_u32)
        .filter(|n| {
            let address = IpAddr::from(std::net::Ipv4Addr::from_bits(0x0c00_0000 + n));
            wrong(&mut limiter, &address.to_string(), now)
        })
        .count();
    assert_eq!(looked_at, TRIES);
    // Old failures make room again.
    assert!(wrong(&mut limiter, "13.0.0.1", now + WINDOW));
}

#[test]
fn the_configuration_can_only_make_it_stricter() {
    let limit = |max_attempts, window_ms| {
        let lockout_ms = 0;
        Limit::of(&RateLimit {
            max_attempts,
            window_ms,
            lockout_ms,
        })
    };
    assert_eq!(limit(10, 60_000), Limit::default());
    assert_eq!(limit(1_000_000, 1), Limit::default());
    let strict = limit(3, 600_000);
    let mut limiter = Limiter::default();
    let address = CanonicalAddress::of("::1".parse().unwrap());
    let start = Instant::now();
    let mut guess = |seconds| {
        let now = start + Duration::from_secs(seconds);
        let account = &Account::SharedSecret;
        limiter
            .attempt(
                &address,
                account,
                now,
                strict,
                |()| true,
                || Err::<(), ()>(()),
            )
            .is_ok()
    };
    assert_eq!(
        [0, 1, 2, 3, 500, 601].map(&mut guess),
        [true, true, true, false, false, true]
    );
}
