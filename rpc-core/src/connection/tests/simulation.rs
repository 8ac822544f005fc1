//! The worlds: many seeds, and rules that each make something else likely.

use std::time::Duration;

use super::world::{Rules, World};

/// Says which seed it was, when its world panics.
struct Announced(u64, Rules);

impl Drop for Announced {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the seed is {}, under {:?}", self.0, self.1);
        }
    }
}

/// What the worlds of one test did in all, so that a test which tests nothing is seen.
#[derive(Debug, Default)]
struct Total {
    ended: usize,
    dropped: usize,
    connections: u32,
}

fn run(seeds: std::ops::Range<u64>, steps: usize, rules: impl Fn(&mut Random) -> Rules) -> Total {
    let mut total = Total::default();
    for seed in seeds {
        let rules = rules(&mut Random::new(seed));
        let announced = Announced(seed, rules);
        let mut world = World::new(seed, rules);
        for _ in 0..steps {
            world.step();
        }
        total.ended += world.ended;
        total.dropped += world.dropped;
        total.connections += world.connections;
        world.end();
        drop(announced);
    }
    total
}

const CALM: Rules = Rules {
    max_calls: 1024,
    piece: 4096,
    default_timeout: None,
    losses: false,
    go_aways: false,
    large: false,
};

#[test]
fn calls_end_once_over_a_link_that_carries_one_byte_at_a_time() {
    let total = run(0..100, 800, |_| Rules { piece: 1, ..CALM });
    assert!(total.dropped > 1000, "{total:?}");
}

#[test]
fn calls_end_once_over_a_link_that_cuts_anywhere() {
    let total = run(1000..2000, 250, |random| Rules {
        piece: random.pick(&[7, 100, 4096]),
        default_timeout: random.pick(&[None, Some(Duration::from_millis(1))]),
        ..CALM
    });
    assert!(total.ended > 20_000, "{total:?}");
}

#[test]
fn calls_end_once_when_the_server_accepts_fewer_than_were_assumed() {
    let total = run(2000..3000, 250, |random| Rules {
        max_calls: u32::try_from(1 + random.below(4)).expect("a small number"),
        piece: random.pick(&[10, 300]),
        ..CALM
    });
    assert!(total.ended > 10_000, "{total:?}");
}

#[test]
fn calls_end_once_when_connections_are_lost() {
    let total = run(3000..4000, 250, |random| Rules {
        piece: random.pick(&[10, 60, 1000]),
        losses: true,
        ..CALM
    });
    assert!(total.connections > 4000 && total.ended > 10_000, "{total:?}");
}

#[test]
fn calls_end_once_when_servers_go_away() {
    let total = run(4000..5000, 250, |random| Rules {
        max_calls: random.pick(&[2, 1024]),
        piece: random.pick(&[10, 60, 1000]),
        losses: random.once_in(2),
        go_aways: true,
        ..CALM
    });
    assert!(total.connections > 3000 && total.ended > 10_000, "{total:?}");
}

#[test]
fn calls_end_once_when_messages_are_too_large() {
    let total = run(5000..5100, 250, |random| Rules {
        max_calls: random.pick(&[1, 8, 1024]),
        piece: random.pick(&[20_000, 100_000]),
        large: true,
        losses: random.once_in(2),
        go_aways: random.once_in(2),
        ..CALM
    });
    assert!(total.ended > 1000, "{total:?}");
}
