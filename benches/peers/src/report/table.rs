//! A table of the page.

use std::fmt;

use super::numbers::ABSENT;

/// In Markdown.
pub(super) struct Table {
    lines: Vec<String>,
}

impl Table {
    /// Its columns behind the first are figures, and stand to the right.
    pub(super) fn of_figures(titles: &[&str]) -> Self {
        Self::new(titles, "--:|")
    }

    pub(super) fn of_words(titles: &[&str]) -> Self {
        Self::new(titles, "---|")
    }

    fn new(titles: &[&str], column: &str) -> Self {
        let mut table = Self { lines: Vec::new() };
        table.row(titles);
        table.lines.push(format!("|---|{}", column.repeat(titles.len() - 1)));
        table
    }

    pub(super) fn row<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = T>) {
        let mut line = "|".to_owned();
        for cell in cells {
            line += &format!(" {} |", one_line(cell.as_ref()).replace('|', "\\|"));
        }
        self.lines.push(line);
    }

    /// One row for all that have no figure, with so many columns.
    pub(super) fn absent(&mut self, names: &[&str], columns: usize) {
        if !names.is_empty() {
            let figures = std::iter::repeat_n(ABSENT.to_owned(), columns - 1);
            self.row([names.join(", ")].into_iter().chain(figures));
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// What came from outside may have line breaks, which end a cell or an item of a list.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
