//! Numbers as one reads them: three digits that count, and a unit. What was not measured is "–".

use crate::results::Spread;

/// In the place of a figure that there is not.
pub(super) const ABSENT: &str = "–";

/// Rounds to three digits that count, and gives the number with its power of ten.
fn rounded(value: f64) -> (f64, i32) {
    let text = format!("{value:.2e}");
    let exponent = text.split_once('e').and_then(|(_, exponent)| exponent.parse().ok());
    (text.parse().unwrap_or(value), exponent.unwrap_or(0))
}

/// Such as `0.0791`, `1.20`, `84.0` or `1230`.
pub(super) fn three_digits(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let (value, exponent) = rounded(value);
    // A number below any that is measured here would have no end of zeros.
    let decimals = usize::try_from(2 - exponent).unwrap_or(0).min(6);
    format!("{value:.decimals$}")
}

/// The same without zeros that say nothing, for what is counted: `2`, `2.04`, `84`.
pub(super) fn count(value: f64) -> String {
    let text = three_digits(value);
    if text.contains('.') {
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    text
}

/// Such as `652 k`, `1.23 M` or `2.40 G`: a unit may follow at once.
pub(super) fn scaled(value: f64) -> String {
    let (value, _) = rounded(value);
    for (factor, prefix) in [(1e9, "G"), (1e6, "M"), (1e3, "k")] {
        if value.abs() >= factor {
            return format!("{} {prefix}", three_digits(value / factor));
        }
    }
    format!("{} ", three_digits(value))
}

/// Such as `652 k/s`.
pub(super) fn rate(value: f64) -> String {
    let text = scaled(value);
    format!("{}/s", text.trim_end())
}

/// Such as `2.40 GB/s`.
pub(super) fn bytes_rate(value: f64) -> String {
    format!("{}B/s", scaled(value))
}

/// Such as `1.31 KiB`.
pub(super) fn kib(bytes: f64) -> String {
    format!("{} KiB", three_digits(bytes / 1024.0))
}

/// Such as `0.971 [0.960 … 0.984]`, or `652 k/s [640 … 661]`; with the unit of each where they differ.
pub(super) fn spread(of: Option<Spread>, one: impl Fn(f64) -> String) -> String {
    let Some(Spread { least, median, most }) = of else {
        return ABSENT.to_owned();
    };
    let [least, median, most] = [least, median, most].map(one);
    let parts = |text: &str| {
        let (number, unit) = text.split_once(' ').unwrap_or((text, ""));
        (number.to_owned(), unit.to_owned())
    };
    let [(low, low_unit), (_, unit), (high, high_unit)] =
        [&least, &median, &most].map(|text| parts(text));
    match low_unit == unit && high_unit == unit {
        true => format!("{median} [{low} … {high}]"),
        false => format!("{median} [{least} … {most}]"),
    }
}

/// Such as `0.971`.
pub(super) fn median(of: Option<Spread>, one: impl Fn(f64) -> String) -> String {
    of.map_or_else(|| ABSENT.to_owned(), |spread| one(spread.median))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_count() {
        let texts =
            [0.0, 0.0791, 0.94949, 0.9996, 1.2, 9.996, 84.04, 999.6, 1234.0].map(three_digits);
        assert_eq!(texts, ["0", "0.0791", "0.949", "1.00", "1.20", "10.0", "84.0", "1000", "1230"]);
        assert_eq!([0.0, 2.0, 2.04, 84.0, 100.0].map(count), ["0", "2", "2.04", "84", "100"]);
    }

    #[test]
    fn a_unit_changes_where_the_rounded_number_does() {
        assert_eq!(
            [651_900.0, 1_234_000.0, 999_600.0].map(rate),
            ["652 k/s", "1.23 M/s", "1.00 M/s"]
        );
        assert_eq!([12.3, 12_340.0].map(rate), ["12.3/s", "12.3 k/s"]);
        assert_eq!([2.4e9, 340.0].map(bytes_rate), ["2.40 GB/s", "340 B/s"]);
        assert_eq!(kib(1400.0), "1.37 KiB");
    }

    #[test]
    fn what_is_absent_is_a_dash() {
        assert_eq!(spread(None, three_digits), ABSENT);
        assert_eq!(median(None, three_digits), ABSENT);
        let of = Spread::of(&[0.5, 0.7, 0.6]);
        assert_eq!(spread(of, three_digits), "0.600 [0.500 … 0.700]");
    }

    #[test]
    fn a_unit_that_is_the_same_is_said_once() {
        let of = |rounds| spread(Spread::of(rounds), rate);
        assert_eq!(of(&[640e3, 661e3, 652e3]), "652 k/s [640 … 661]");
        assert_eq!(of(&[940e3, 1.02e6, 1e6]), "1.00 M/s [940 k/s … 1.02 M/s]");
    }
}
