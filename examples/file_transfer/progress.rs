//! How far a copy is, on standard error: a bar that moves in a terminal, and a line for every tenth elsewhere.

use std::{
    io::{IsTerminal, Write, stderr},
    time::{Duration, Instant},
};

/// The least time between two pictures of the bar.
const REDRAW_AFTER: Duration = Duration::from_millis(100);

const WIDTH: u64 = 30;

pub(crate) struct Progress {
    name: String,
    total: u64,
    done: u64,
    /// Bytes that were copied in this run, since when, and for how long.
    moved: u64,
    began: Option<Instant>,
    elapsed: Duration,
    is_terminal: bool,
    /// When the bar was drawn, or which tenth was told.
    drawn: Option<Instant>,
    tenths: u64,
}

impl Progress {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            total: 0,
            done: 0,
            moved: 0,
            began: None,
            elapsed: Duration::ZERO,
            is_terminal: stderr().is_terminal(),
            drawn: None,
            tenths: 0,
        }
    }

    /// An attempt begins, where `done` bytes of `total` are there already.
    pub(crate) fn begin(&mut self, done: u64, total: u64) {
        (self.done, self.total) = (done, total);
        self.began.get_or_insert_with(Instant::now);
        if done > 0 {
            self.say(&format!("goes on at byte {done} of {total}"));
        }
        self.tenths = self.percent() / 10;
    }

    pub(crate) fn advance(&mut self, bytes: usize) {
        self.done += bytes as u64;
        self.moved += bytes as u64;
        self.elapsed = self.began.map_or(Duration::ZERO, |began| began.elapsed());
        if self.is_terminal {
            let is_last = self.done == self.total;
            if is_last || self.drawn.is_none_or(|drawn| drawn.elapsed() >= REDRAW_AFTER) {
                self.drawn = Some(Instant::now());
                self.draw();
            }
        } else if self.percent() / 10 > self.tenths {
            self.tenths = self.percent() / 10;
            self.say(&format!("{:3} %, {}", self.percent(), self.rate()));
        }
    }

    /// Tells something about the copy, in place of the bar.
    pub(crate) fn say(&mut self, text: &str) {
        self.clear();
        let _ = writeln!(stderr(), "{}: {text}", self.name);
    }

    /// Takes the bar away.
    pub(crate) fn clear(&mut self) {
        if self.drawn.take().is_some() {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }

    pub(crate) fn end(&mut self) {
        let (total, rate) = (megabytes(self.total), self.rate());
        self.say(&format!("{total:.1} MB, {rate}, checksum agrees"));
    }

    fn percent(&self) -> u64 {
        (self.done * 100).checked_div(self.total).unwrap_or(100).min(100)
    }

    fn rate(&self) -> String {
        let seconds = self.elapsed.as_secs_f64().max(0.001);
        format!("{:.1} MB/s", megabytes(self.moved) / seconds)
    }

    fn draw(&self) {
        let mut bar = String::new();
        for at in 0..WIDTH {
            bar.push(if at * 100 < self.percent() * WIDTH { '#' } else { '.' });
        }
        let _ = write!(
            stderr(),
            "\r\x1b[K{} [{bar}] {:3} %  {}",
            self.name,
            self.percent(),
            self.rate()
        );
    }
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
