//! What is broken, in which order: a function of the seed.

use std::time::Duration;

use openclaw_support::dice::Dice;
use openclaw_support::proxy::Weather;

/// One thing that goes wrong, and for how long.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// The next mail of an actor panics; which one is drawn from those that live then.
    Panic(u64),
    /// The next mail of an actor is never done with, until this time is over.
    Hang(u64, Duration),
    /// An actor is killed.
    Kill(u64),
    /// A place in the code reports an error, is late, or ends the process.
    Point(&'static str, String),
    Sigkill,
    Sigterm,
    /// SIGSTOP, and later SIGCONT.
    Freeze(Duration),
    /// The wall clock shows this many seconds more or less than before.
    Clock(i64),
    /// A wire turns bad for a while.
    Wire(Place, Weather, Duration),
    /// Every connection of a wire is reset.
    Cut(Place),
    /// No space is left on the disk of the state folder.
    FullDisk(Duration),
    /// The model's next answers go wrong.
    Model(Trouble, u64),
}

/// A wire between the gateway and a fake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Alpha,
    Beta,
    Model,
}

/// How an answer of the model goes wrong.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Trouble {
    Down,
    Busy,
    Silent,
    Cut,
    CutInside,
    SilentInside,
    ErrorInside,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Panic,
    Hang,
    Kill,
    Error,
    Late,
    Abort,
    Sigkill,
    Sigterm,
    Freeze,
    Clock,
    Wire,
    Cut,
    FullDisk,
    Model,
}

const KINDS: &[(u64, Kind)] = &[
    (14, Kind::Panic),
    (5, Kind::Hang),
    (12, Kind::Kill),
    (12, Kind::Error),
    (8, Kind::Late),
    (10, Kind::Abort),
    (10, Kind::Sigkill),
    (4, Kind::Sigterm),
    (6, Kind::Freeze),
    (6, Kind::Clock),
    (14, Kind::Wire),
    (6, Kind::Cut),
    (5, Kind::FullDisk),
    (6, Kind::Model),
];

/// What the machine the test runs on allows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Means {
    pub(crate) clock: bool,
    pub(crate) disk: bool,
}

/// The next fault.
pub(crate) fn draw(dice: &mut Dice, points: &[&'static str], means: Means) -> Fault {
    loop {
        let fault = draw_any(dice, points);
        let is_possible = match fault {
            Fault::Clock(_) => means.clock,
            Fault::FullDisk(_) => means.disk,
            _ => true,
        };
        if is_possible {
            return fault;
        }
    }
}

fn draw_any(dice: &mut Dice, points: &[&'static str]) -> Fault {
    let place = *dice.pick(&[Place::Alpha, Place::Beta, Place::Model]);
    let point = *dice.pick(points);
    let pass = dice.between(1, 4);
    match dice.weigh(KINDS) {
        Kind::Panic => Fault::Panic(dice.roll()),
        Kind::Hang => Fault::Hang(dice.roll(), millis(dice, 500, 5_000)),
        Kind::Kill => Fault::Kill(dice.roll()),
        Kind::Error => Fault::Point(point, format!("err@{pass}")),
        Kind::Late => Fault::Point(point, format!("delay({})@{pass}", dice.between(50, 2_500))),
        Kind::Abort => Fault::Point(point, format!("abort@{pass}")),
        Kind::Sigkill => Fault::Sigkill,
        Kind::Sigterm => Fault::Sigterm,
        Kind::Freeze => Fault::Freeze(millis(dice, 200, 6_000)),
        // Up to two hours, as when a clock is set after a power cut or a zone is mistaken.
        Kind::Clock => {
            let by = i64::try_from(dice.between(1, 7_200)).unwrap_or(1);
            Fault::Clock(if dice.roll().is_multiple_of(2) {
                by
            } else {
                -by
            })
        }
        Kind::Wire => {
            let torn = usize::try_from(dice.between(1, 400)).unwrap_or(1);
            let late = millis(dice, 50, 800);
            let weather = *dice.pick(&[
                Weather::Slow(late),
                Weather::BlackHole,
                Weather::Deaf,
                Weather::HalfOpen,
                Weather::Refuse,
                Weather::Torn(torn),
            ]);
            Fault::Wire(place, weather, millis(dice, 300, 6_000))
        }
        Kind::Cut => Fault::Cut(place),
        Kind::FullDisk => Fault::FullDisk(millis(dice, 1_000, 4_000)),
        Kind::Model => {
            let trouble = *dice.pick(&[
                Trouble::Down,
                Trouble::Busy,
                Trouble::Silent,
                Trouble::Cut,
                Trouble::CutInside,
                Trouble::SilentInside,
                Trouble::ErrorInside,
            ]);
            Fault::Model(trouble, dice.between(1, 4))
        }
    }
}

fn millis(dice: &mut Dice, from: u64, until: u64) -> Duration {
    Duration::from_millis(dice.between(from, until))
}

impl Fault {
    /// Its kind in a word, for the count at the end.
    pub(crate) fn word(&self) -> String {
        match self {
            Self::Point(_, action) => action.split(['(', '@']).next().unwrap_or("").to_owned(),
            Self::Wire(_, weather, _) => {
                let text = format!("{weather:?}");
                text.split('(').next().unwrap_or("").to_lowercase()
            }
            other => {
                let text = format!("{other:?}");
                text.split('(').next().unwrap_or("").to_lowercase()
            }
        }
    }
}
