//! The bar: what this project is to reach beside the codec echo and beside the best peer, and whether it does.
//!
//! A row has a line for each runtime, except the one of bytes on the wire, which no runtime changes. A ratio is compared as it was
//! measured, not as it is rounded for the page.

mod rows;

use peers_harness::{Failure, Flavour};
use rows::{IDLE, ROWS, Row, WIRE, WIRE_NAME, WIRE_TITLE};

use super::{
    figures::{CODEC, OURS, Quantity},
    numbers::{self, ABSENT, count, three_digits},
    reasons::Reason,
    table::Table,
};
use crate::results::Results;

/// Fewer rounds than these say little.
const ROUNDS: usize = 7;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Met,
    Missed,
    /// There is a bar, and no figure to hold against it.
    Unknown,
    /// There is no bar.
    Free,
}

impl Verdict {
    fn of(figure: Option<f64>, bound: Option<f64>, more_is_better: bool) -> Self {
        match (figure, bound) {
            (_, None) => Self::Free,
            (None, Some(_)) => Self::Unknown,
            (Some(figure), Some(bound)) if more_is_better && figure >= bound => Self::Met,
            (Some(figure), Some(bound)) if !more_is_better && figure <= bound => Self::Met,
            _ => Self::Missed,
        }
    }
}

/// A figure beside its bar.
struct Check {
    figure: String,
    /// Such as `≥ 0.95`, or nothing.
    bar: String,
    verdict: Verdict,
}

impl Check {
    fn bar(&self) -> String {
        match self.verdict {
            Verdict::Met => format!("{}: met", self.bar),
            Verdict::Missed => format!("{}: **missed**", self.bar),
            Verdict::Unknown => format!("{}: not measured", self.bar),
            Verdict::Free => String::new(),
        }
    }
}

struct Line {
    name: &'static str,
    title: &'static str,
    flavour: &'static str,
    checks: [Check; 2],
}

/// The section of the page.
pub(super) fn section(results: &Results, reasons: &[Reason]) -> Result<String, Failure> {
    known(reasons)?;
    let lines = lines(results);
    let mut table =
        Table::of_words(&["", "runtime", "of the codec echo", "bar", "of the best peer", "bar"]);
    for line in &lines {
        let [codec, peer] = &line.checks;
        table.row([
            line.title,
            line.flavour,
            &codec.figure,
            &codec.bar(),
            &peer.figure,
            &peer.bar(),
        ]);
    }
    let verdicts = || lines.iter().flat_map(|line| &line.checks).map(|check| check.verdict);
    let count = |wanted| verdicts().filter(|verdict| *verdict == wanted).count();
    let (met, missed, unknown) =
        (count(Verdict::Met), count(Verdict::Missed), count(Verdict::Unknown));
    let bars = met + missed + unknown;
    let mut text = format!("Of {bars} bars {met} are met and {missed} missed");
    text += &match unknown {
        0 => ".\n\n".to_owned(),
        unknown => format!("; for {unknown} there is no figure in this run.\n\n"),
    };
    if results.rounds < ROUNDS {
        text += &format!(
            "The bar asks for {ROUNDS} rounds at least, and this run had {}.\n\n",
            results.rounds
        );
    }
    text += &table.to_string();
    text += &explained(&lines, reasons);
    Ok(text)
}

/// For each line that misses a bar: why, as far as that is known.
fn explained(lines: &[Line], reasons: &[Reason]) -> String {
    let missed = |line: &&Line| line.checks.iter().any(|check| check.verdict == Verdict::Missed);
    let mut text = String::new();
    for line in lines.iter().filter(missed) {
        let is_of = |reason: &&Reason| reason.0 == line.name && reason.1 == line.flavour;
        let reason =
            reasons.iter().find(is_of).map_or("the reason has not been found.", |reason| reason.2);
        let title = [line.title, line.flavour].join(", ");
        text += &format!("* **{}** is missed: {reason}\n", title.trim_end_matches(", "));
    }
    match text.is_empty() {
        true => text,
        false => format!("\n{text}"),
    }
}

fn lines(results: &Results) -> Vec<Line> {
    let flavours = results.flavours();
    let idle = results.most_idle().map(|count| Row { quantity: Quantity::Memory(count), ..IDLE });
    let mut lines = Vec::new();
    for row in ROWS.iter().chain(&idle) {
        for (index, flavour) in Flavour::ALL.iter().enumerate() {
            if flavours.contains(&flavour.name) {
                lines.push(line(results, row, flavour.name, row.of_codec.map(|bars| bars[index])));
            }
        }
    }
    lines.push(wire(results));
    lines
}

fn line(results: &Results, row: &Row, flavour: &'static str, of_codec: Option<f64>) -> Line {
    let (quantity, more) = (row.quantity, row.quantity.more_is_better());
    let sign = if more { "≥" } else { "≤" };
    let check = |other: Option<&str>, bound: Option<f64>, aim: Option<f64>| {
        let ratio = other.and_then(|other| results.ratio(quantity, flavour, row.subject, other));
        let bar = bound.map_or_else(String::new, |bound| format!("{sign} {bound}"));
        let aim = aim.map_or_else(String::new, |aim| format!(" (aim {aim})"));
        let verdict = Verdict::of(ratio.map(|ratio| ratio.median), bound, more);
        Check { figure: numbers::spread(ratio, three_digits), bar: bar + &aim, verdict }
    };
    let peer = results.best_peer(quantity, flavour);
    let of_codec = check(Some(CODEC), of_codec, row.aim);
    let mut of_peer = check(peer, row.of_peer, None);
    if let Some(peer) = peer.filter(|_| of_peer.figure != ABSENT) {
        of_peer.figure += &format!(" {peer}");
    }
    Line { name: row.name, title: row.title, flavour, checks: [of_codec, of_peer] }
}

/// An absolute number, beside the least of the peers.
fn wire(results: &Results) -> Line {
    let of = |subject| Some(results.spread(Quantity::Wire, "", subject)?.median);
    let ours = of(OURS);
    let figure = match results.best_peer(Quantity::Wire, "") {
        Some(peer) => {
            let text = |subject| of(subject).map_or_else(|| ABSENT.to_owned(), count);
            format!("{} beside {} of {peer}", text(OURS), text(peer))
        }
        None => ours.map_or_else(|| ABSENT.to_owned(), count),
    };
    let verdict = Verdict::of(ours, Some(WIRE), false);
    let none = Check { figure: String::new(), bar: String::new(), verdict: Verdict::Free };
    let check = Check { figure, bar: format!("≤ {WIRE} in all"), verdict };
    Line { name: WIRE_NAME, title: WIRE_TITLE, flavour: "", checks: [none, check] }
}

/// A reason that is for no row would never be seen.
fn known(reasons: &[Reason]) -> Result<(), Failure> {
    let names = || ROWS.iter().map(|row| row.name).chain([IDLE.name]);
    for (name, flavour, _) in reasons {
        let is_row = names().any(|row| row == *name)
            && Flavour::ALL.iter().any(|known| known.name == *flavour);
        if !is_row && (*name, *flavour) != (WIRE_NAME, "") {
            return Err(
                format!("a reason is for a row that is not there: {name}, {flavour}").into()
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
