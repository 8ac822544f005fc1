//! The plot: six panels of bars, each with the best on top, this project in a colour of its own.
//!
//! A framework has one bar in a panel, for the runtime on which it is better: two would hide at a glance what the page says in full.
//! The scale is linear and begins at nothing, so that a bar of double length is double the figure.
//!
//! The SVG is written by hand: `plotters` was tried, and cuts long names, leaves the values beside the bars to be placed one by one, has
//! one size of letters for all, and no text for whoever does not see the picture. It has a background of its own, and so looks the same
//! on a light page and on a dark one. Letters are not measured but assumed wide, and a name that is too long for its place is shown in
//! smaller ones, and cut only then.

use std::fmt::Write;

use peers_harness::BLOB;

use super::{
    figures::{CODEC, Quantity, Role},
    numbers::{bytes_rate, kib, rate},
};
use crate::results::Results;

const COLUMNS: usize = 2;
const MARGIN: f64 = 24.0;
const PANEL_WIDTH: f64 = 416.0;
/// Between two panels beside each other.
const GAP: f64 = 28.0;
const WIDTH: f64 = 2.0 * MARGIN + 2.0 * PANEL_WIDTH + GAP;
/// The title, and what it says below.
const HEAD: f64 = 74.0;
/// A panel's title.
const PANEL_HEAD: f64 = 28.0;
const BAR_PITCH: f64 = 20.0;
const BAR_HEIGHT: f64 = 13.0;
const LETTERS: f64 = 12.0;
/// What a letter takes of its size at most, on average.
const LETTER_WIDTH: f64 = 0.62;
/// For the longest name of a panel.
const NAMES: f64 = 150.0;
/// For a value behind the longest bar.
const VALUES: f64 = 74.0;
/// In which a name is still read.
const SMALLEST: f64 = 9.0;
/// What no bar is shorter than.
const SHORTEST: f64 = 1.5;

struct Panel {
    title: &'static str,
    quantity: Quantity,
    value: fn(f64) -> String,
}

struct Bar {
    name: String,
    role: Role,
    value: f64,
}

/// All of it. What was not measured has no bar.
pub(super) fn plot(results: &Results) -> String {
    let panels = panels(results);
    let bars: Vec<Vec<Bar>> = panels.iter().map(|panel| bars(results, panel.quantity)).collect();
    let mut drawn = String::new();
    let mut top = HEAD;
    for (panels, bars) in panels.chunks(COLUMNS).zip(bars.chunks(COLUMNS)) {
        for (column, (panel, bars)) in panels.iter().zip(bars).enumerate() {
            let left = MARGIN + column as f64 * (PANEL_WIDTH + GAP);
            drawn += &drawn_panel(panel, bars, left, top);
        }
        let most = bars.iter().map(Vec::len).max().unwrap_or(0).max(1);
        top += PANEL_HEAD + most as f64 * BAR_PITCH + 16.0;
    }
    framed(results, &drawn, top + MARGIN - 16.0)
}

fn panels(results: &Results) -> Vec<Panel> {
    let rate_of =
        |title, workload| Panel { title, quantity: Quantity::Rate(workload), value: rate };
    let mut panels = vec![
        rate_of("One ping at a time, calls per second", "ping"),
        rate_of("64 pings in flight on one connection, calls per second", "ping-64"),
        rate_of("64 connections × 16 pings in flight, calls per second", "ping-64x16"),
        Panel {
            title: "64 KiB blobs there and back, bytes each way",
            quantity: Quantity::Rate("blobs"),
            value: |calls| bytes_rate(calls * BLOB as f64),
        },
        rate_of("100 structs there and back, calls per second", "structs"),
    ];
    // Of as many idle connections as were measured at most; of none there is nothing to draw.
    panels.push(Panel {
        title: "Server memory per idle connection: less is better",
        quantity: Quantity::Memory(results.most_idle().unwrap_or(0)),
        value: kib,
    });
    panels
}

/// The best on top.
fn bars(results: &Results, quantity: Quantity) -> Vec<Bar> {
    let order = |one: &f64, other: &f64| match quantity.more_is_better() {
        true => other.total_cmp(one),
        false => one.total_cmp(other),
    };
    let best = |name: &str| {
        let flavours = results.flavours().into_iter();
        let medians =
            flavours.filter_map(|flavour| Some(results.spread(quantity, flavour, name)?.median));
        medians.min_by(order)
    };
    let shown = results.names().into_iter().filter(|name| !matches!(*name, "raw" | "rpc-spawn"));
    let mut bars: Vec<Bar> = shown
        .filter_map(|name| {
            let value = best(name)?;
            let title = if name == CODEC { "codec echo" } else { name };
            Some(Bar { name: title.to_owned(), role: Role::of(name), value })
        })
        .collect();
    bars.sort_by(|one, other| order(&one.value, &other.value));
    bars
}

fn drawn_panel(panel: &Panel, bars: &[Bar], left: f64, top: f64) -> String {
    let mut text = format!(
        "<text class=\"title\" x=\"{left}\" y=\"{}\">{}</text>\n",
        top + 14.0,
        escaped(panel.title)
    );
    if bars.is_empty() {
        let _ = writeln!(text, "<text x=\"{left}\" y=\"{}\">not measured</text>", top + 36.0);
    }
    let most = bars.iter().map(|bar| bar.value).fold(0.0, f64::max);
    let start = left + NAMES + 8.0;
    let longest = PANEL_WIDTH - NAMES - 8.0 - VALUES;
    for (index, bar) in bars.iter().enumerate() {
        let y = top + PANEL_HEAD + index as f64 * BAR_PITCH;
        let share = if most > 0.0 { bar.value / most } else { 0.0 };
        let width = (longest * share).max(SHORTEST);
        let class = match bar.role {
            Role::Echo => "echo",
            Role::Ours => "ours",
            Role::Peer => "peer",
        };
        let base = y + BAR_HEIGHT - 2.5;
        let (name, letters) = fitted(&bar.name);
        let _ = writeln!(
            text,
            "<g class=\"{class}\"><text class=\"name\" x=\"{:.1}\" y=\"{base:.1}\" font-size=\"{letters:.1}\">{}</text>\
             <rect x=\"{start:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{BAR_HEIGHT}\" rx=\"1.5\"/>\
             <text x=\"{:.1}\" y=\"{base:.1}\">{}</text></g>",
            start - 8.0,
            escaped(&name),
            start + width + 6.0,
            (panel.value)(bar.value),
        );
    }
    text
}

/// A name in letters so small, and cut so short, that it has room.
fn fitted(name: &str) -> (String, f64) {
    let room = |letters: usize| NAMES / (letters as f64 * LETTER_WIDTH);
    let count = name.chars().count();
    if room(count) >= SMALLEST {
        return (name.to_owned(), room(count).min(LETTERS));
    }
    let kept = (NAMES / (SMALLEST * LETTER_WIDTH)) as usize - 1;
    (name.chars().take(kept).chain(['…']).collect(), SMALLEST)
}

/// The panels with what is around them.
fn framed(results: &Results, panels: &str, height: f64) -> String {
    let about = format!(
        "Medians of {} rounds on {} cores, {}. Each bar is the better runtime of its framework. Codec echo: frames without calls.",
        results.rounds, results.machine.cores, results.machine.date
    );
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-labelledby=\"title about\" font-size=\"{LETTERS}\" \
         font-family=\"-apple-system, 'Segoe UI', 'Noto Sans', Helvetica, Arial, sans-serif\">\n\
         <title id=\"title\">rpc beside its peers</title>\n\
         <desc id=\"about\">{about}</desc>\n\
         <style>\n\
         text {{ fill: #1f2328 }}\n\
         .title {{ font-size: 13px; font-weight: 600 }}\n\
         .name {{ text-anchor: end }}\n\
         .peer rect {{ fill: #9aa4b2 }}\n\
         .echo rect {{ fill: #ffffff; stroke: #9aa4b2; stroke-dasharray: 3 2 }}\n\
         .echo text {{ fill: #59636e }}\n\
         .ours rect {{ fill: #c2410c }}\n\
         .ours text {{ fill: #9a3412; font-weight: 700 }}\n\
         </style>\n\
         <rect x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\" fill=\"#ffffff\" stroke=\"#d1d9e0\"/>\n\
         <text x=\"{MARGIN}\" y=\"36\" font-size=\"19\" font-weight=\"700\">rpc beside its peers</text>\n\
         <text x=\"{MARGIN}\" y=\"57\" fill=\"#59636e\">{about}</text>\n\
         {panels}</svg>\n",
        WIDTH - 1.0,
        height - 1.0,
        about = escaped(&about),
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn names(bars: &[Bar]) -> Vec<&str> {
        bars.iter().map(|bar| bar.name.as_str()).collect()
    }

    #[test]
    fn the_best_is_on_top() {
        let results = sample::results();
        let rates = bars(&results, Quantity::Rate("structs"));
        let order = ["rpc-compact", "rpc", "volo-thrift", "capnp", "tarpc", "python", "tonic"];
        assert_eq!(names(&rates), order);
        let memory = bars(&results, Quantity::Memory(1000));
        assert_eq!(names(&memory)[..3], ["rpc", "codec echo", "capnp"]);
    }

    #[test]
    fn a_framework_has_the_bar_of_its_better_runtime() {
        let results = sample::results();
        let value = |quantity| {
            let bars = bars(&results, quantity);
            bars.iter().find(|bar| bar.name == "tarpc").map(|bar| bar.value)
        };
        assert_eq!(value(Quantity::Rate("ping")), Some(35e3));
        assert_eq!(value(Quantity::Memory(1000)), Some(20.0 * 1024.0));
    }

    #[test]
    fn every_figure_of_a_panel_is_written_beside_its_bar() {
        let plot = plot(&sample::results());
        for value in ["1.75 M/s", "252 k/s", "2.40 GB/s", "23.1 k/s", "3.10 KiB"] {
            assert!(plot.contains(&format!(">{value}</text>")), "{value}");
        }
    }

    /// Bars that differ by a thousand times, and a long name: everything keeps to its place.
    #[test]
    fn nothing_leaves_its_place() {
        let panel = Panel { title: "", quantity: Quantity::Wire, value: rate };
        let long = "python multiprocessing.connection with a long name";
        let bar = |name: &str, value| Bar { name: name.to_owned(), role: Role::Peer, value };
        let text = drawn_panel(&panel, &[bar("rpc", 1e6), bar(long, 1e3), bar("x", 0.0)], 0.0, 0.0);
        let numbers = |key: &str| -> Vec<f64> {
            let found = text.split(key).skip(1);
            found.map(|rest| rest.split('"').next().unwrap().parse().unwrap()).collect()
        };
        let sizes = numbers("font-size=\"");
        assert_eq!(sizes, [LETTERS, SMALLEST, LETTERS]);
        let (name, letters) = fitted(long);
        assert!(name.chars().count() as f64 * letters * LETTER_WIDTH <= NAMES, "{name}");
        assert!(text.contains(&format!(">{name}</text>")), "{text}");
        let widths = numbers("width=\"");
        assert!(widths.iter().all(|width| *width >= SHORTEST), "{widths:?}");
        let end = NAMES + 8.0 + widths.iter().fold(0.0, |most: f64, width| most.max(*width));
        assert!(end + VALUES <= PANEL_WIDTH, "{widths:?}");
    }

    #[test]
    fn names_are_text_and_not_markup() {
        let mut results = sample::results();
        results.rates[0].subject = "a<b & c".to_owned();
        let plot = plot(&results);
        assert!(plot.contains(">a&lt;b &amp; c</text>"));
        assert!(!plot.contains("a<b"));
    }

    #[test]
    fn a_panel_without_figures_says_so() {
        let mut results = sample::results();
        results.memory.clear();
        assert_eq!(plot(&results).matches("not measured").count(), 1);
    }
}
