//! The worlds: many seeds, and rules that each make something else likely.
//!
//! `RPC_SEEDS=N` runs so many seeds in all instead of 10,000. A seed that fails prints itself; `RPC_SEED=N` runs it alone, under the
//! rules of the test that it failed in, and with `--nocapture` tells each step:
//!
//! ```text
//! RPC_SEED=4711 cargo test -p rpc-core --lib connections_are_lost -- --nocapture
//! ```

use std::time::Duration;

use super::world::{Rules, Total, World};
use crate::random::Random;

/// Says which seed it was, when its world panics.
struct Announced(u64, Rules);

impl Drop for Announced {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("RPC_SEED={} replays it, under {:?}", self.0, self.1);
        }
    }
}

impl Total {
    fn add(&mut self, other: Self) {
        self.ended += other.ended;
        self.dropped += other.dropped;
        self.connections += other.connections;
        self.repeated += other.repeated;
        self.silent += other.silent;
        self.side_by_side += other.side_by_side;
        self.go_aways += other.go_aways;
        self.failed_attempts += other.failed_attempts;
        self.taken += other.taken;
        self.sent += other.sent;
        self.blocked += other.blocked;
        self.streamed += other.streamed;
        self.with_metadata += other.with_metadata;
    }
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| unreachable!("{name} is a number, not {text}")))
}

fn live(seed: u64, steps: usize, rules: Rules, is_told: bool) -> Total {
    let announced = Announced(seed, rules);
    let mut world = World::new(seed, rules, is_told);
    for _ in 0..steps {
        world.step();
    }
    let total = world.end();
    drop(announced);
    total
}

/// Runs `share` of 10,000 seeds, or of as many as are asked for, and asserts what they did in all.
fn run(
    share: u64,
    steps: usize,
    rules: impl Fn(&mut Random) -> Rules,
    expected: impl Fn(&Total) -> bool,
) {
    if let Some(seed) = number("RPC_SEED") {
        live(seed, steps, rules(&mut Random::new(seed)), true);
        return;
    }
    let seeds = number("RPC_SEEDS").unwrap_or(10_000) * share / 10_000;
    let mut total = Total::default();
    for seed in 0..seeds {
        total.add(live(seed, steps, rules(&mut Random::new(seed)), false));
    }
    println!("{seeds} seeds: {total:?}");
    assert!(seeds < share || expected(&total), "{seeds} seeds did too little: {total:?}");
}

const CALM: Rules = Rules::CALM;

#[test]
fn calls_end_once_over_a_link_that_carries_one_byte_at_a_time() {
    run(200, 800, |_| Rules { piece: 1, ..CALM }, |total| total.dropped > 2000);
}

#[test]
fn calls_end_once_over_a_link_that_cuts_anywhere() {
    let rules = |random: &mut Random| Rules {
        piece: random.pick(&[7, 100, 4096]),
        delay: random.pick(&[Duration::ZERO, Duration::from_millis(2)]),
        default_timeout: random.pick(&[None, Some(Duration::from_millis(1))]),
        ..CALM
    };
    run(1300, 250, rules, |total| total.ended > 20_000);
}

#[test]
fn calls_end_once_when_the_server_accepts_fewer_than_were_assumed() {
    let rules = |random: &mut Random| Rules {
        max_calls: u32::try_from(1 + random.below(4)).expect("a small number"),
        piece: random.pick(&[10, 300]),
        ..CALM
    };
    run(700, 250, rules, |total| total.ended > 7000);
}

#[test]
fn calls_end_once_when_connections_are_lost() {
    let rules = |random: &mut Random| Rules {
        piece: random.pick(&[10, 60, 1000]),
        delay: random.pick(&[Duration::ZERO, Duration::from_millis(1)]),
        losses: true,
        refusals: random.once_in(2),
        max_attempts: random.pick(&[1, 2, 4]),
        percent: random.pick(&[0, 20, 100]),
        ..CALM
    };
    run(1600, 250, rules, |total| {
        total.connections > 3200 && total.ended > 16_000 && total.repeated > 400
    });
}

#[test]
fn calls_end_once_when_servers_go_away() {
    let rules = |random: &mut Random| Rules {
        max_calls: random.pick(&[2, 1024]),
        piece: random.pick(&[10, 60, 1000]),
        delay: random.pick(&[Duration::ZERO, Duration::from_millis(1)]),
        losses: random.once_in(2),
        go_aways: true,
        ..CALM
    };
    run(1600, 250, rules, |total| {
        total.go_aways > 2400 && total.side_by_side > 400 && total.ended > 16_000
    });
}

#[test]
fn calls_end_once_when_connections_fall_silent() {
    let rules = |random: &mut Random| Rules {
        piece: random.pick(&[10, 60, 1000]),
        stalls: true,
        losses: random.once_in(2),
        go_aways: random.once_in(2),
        refusals: random.once_in(2),
        ..CALM
    };
    run(1100, 300, rules, |total| total.silent > 360 && total.ended > 7300);
}

#[test]
fn calls_end_once_when_they_do_not_wait() {
    let rules = |random: &mut Random| Rules {
        piece: random.pick(&[60, 1000]),
        wait: random.pick(&[Duration::ZERO, Duration::from_millis(2)]),
        losses: true,
        refusals: true,
        go_aways: random.once_in(2),
        stalls: random.once_in(4),
        ..CALM
    };
    run(900, 250, rules, |total| total.failed_attempts > 700 && total.ended > 7000);
}

#[test]
fn calls_end_once_when_messages_are_too_large() {
    let rules = |random: &mut Random| Rules {
        max_calls: random.pick(&[1, 8, 1024]),
        piece: random.pick(&[20_000, 100_000]),
        large: true,
        losses: random.once_in(2),
        go_aways: random.once_in(2),
        ..CALM
    };
    run(200, 250, rules, |total| total.ended > 2000);
}

/// Items that are smaller than every window, and larger than some.
const SIZES: &[usize] = &[0, 1, 10, 50, 300, 3000];

/// The rules of a world whose calls stream.
fn streaming(random: &mut Random) -> Rules {
    Rules {
        streams: true,
        sizes: random.pick(&[&SIZES[..3], SIZES]),
        stream_window: random.pick(&[0, 1, 40, 500, 5000, 256 << 10]),
        connection_window: random.pick(&[0, 30, 700, 5000, 16 << 20]),
        high_water: random.pick(&[300, 5000, 1 << 20]),
        piece: random.pick(&[30, 100, 1000, 4096]),
        delay: random.pick(&[Duration::ZERO, Duration::from_millis(1)]),
        max_calls: random.pick(&[3, 1024]),
        ..CALM
    }
}

#[test]
fn streams_arrive_as_they_were_sent() {
    run(1200, 250, streaming, |total| {
        total.with_metadata > 1000
            && total.taken > 30_000
            && total.streamed > 3000
            && total.blocked > 10_000
    });
}

#[test]
fn streams_end_once_when_connections_are_lost() {
    let rules = |random: &mut Random| Rules {
        losses: true,
        go_aways: random.once_in(2),
        refusals: random.once_in(2),
        stalls: random.once_in(4),
        default_timeout: random.pick(&[None, Some(Duration::from_millis(1))]),
        ..streaming(random)
    };
    run(700, 250, rules, |total| total.taken > 10_000 && total.streamed > 1000);
}

/// Items that travel in parts, and some that just do not.
const LARGE: &[usize] = &[1, 1, 1, 100, 100, 5000, 131_000, 131_032, 140_000, 300_000];

#[test]
fn streams_arrive_when_messages_travel_in_parts() {
    let rules = |random: &mut Random| Rules {
        large: true,
        sizes: LARGE,
        stream_window: random.pick(&[1000, 256 << 10, 1 << 20]),
        connection_window: random.pick(&[1000, 300 << 10, 16 << 20]),
        max_message_size: random.pick(&[400 << 10, 1 << 20]),
        parts_ahead: random.pick(&[1 << 10, 256 << 10, 2 << 20]),
        high_water: random.pick(&[1000, 300 << 10, 1 << 20]),
        piece: random.pick(&[5000, 30_000, 100_000]),
        losses: random.once_in(2),
        go_aways: random.once_in(2),
        ..streaming(random)
    };
    run(500, 250, rules, |total| total.taken > 8000 && total.streamed > 800);
}
