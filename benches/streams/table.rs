//! The figures, and the Markdown table that they are printed as: one row a figure, one column a runtime flavour.

use std::fmt;

use crate::{FLAVOURS, support::spread};

/// What a figure has to be.
#[derive(Clone, Copy)]
pub(crate) enum Bar {
    /// Anything: it is there for comparison.
    None,
    AtLeast(f64),
    AtMost(f64),
}

impl Bar {
    fn holds(self, figure: f64) -> bool {
        match self {
            Self::None => true,
            Self::AtLeast(bar) => figure >= bar,
            Self::AtMost(bar) => figure <= bar,
        }
    }
}

struct Row {
    name: String,
    /// Decimals.
    digits: usize,
    bar: Bar,
    /// Of each flavour, one figure a round.
    figures: [Vec<f64>; FLAVOURS.len()],
}

/// Rows in the order in which they first got a figure.
#[derive(Default)]
pub(crate) struct Table(Vec<Row>);

impl Table {
    /// Adds a round's figure to a row.
    pub(crate) fn add(&mut self, name: &str, digits: usize, bar: Bar, flavour: usize, figure: f64) {
        let at = self.0.iter().position(|row| row.name == name).unwrap_or_else(|| {
            let figures = Default::default();
            self.0.push(Row { name: name.to_owned(), digits, bar, figures });
            self.0.len() - 1
        });
        self.0[at].figures[flavour].push(figure);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second] = FLAVOURS.map(|(name, _)| name);
        writeln!(f, "| | {first} | {second} | bar |\n|---|---|---|---|")?;
        for Row { name, digits, bar, figures } in &self.0 {
            write!(f, "| {name} |")?;
            for figures in figures {
                let (low, middle, high) = spread(figures);
                write!(f, " {middle:.digits$} [{low:.digits$} … {high:.digits$}]")?;
                f.write_str(if bar.holds(middle) { " |" } else { " **misses** |" })?;
            }
            match bar {
                Bar::None => writeln!(f, " |")?,
                Bar::AtLeast(bar) => writeln!(f, " ≥ {bar} |")?,
                Bar::AtMost(bar) => writeln!(f, " ≤ {bar} |")?,
            }
        }
        Ok(())
    }
}
