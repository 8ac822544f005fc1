//! The names that somebody may have meant who wrote one that does not exist.
//!
//! Strangers can ask, so the work is bounded: a name of at most [`LONGEST`] bytes is compared with at most [`MOST_COMPARED`] others of about its
//! length, looked for among the first [`MOST_LOOKED_AT`] in the order of the alphabet.

/// Names above this are nobody's slip of the pen, in bytes.
const LONGEST: usize = 64;
/// So many names are compared.
const MOST_COMPARED: usize = 64;
/// So many names are looked at.
pub(crate) const MOST_LOOKED_AT: usize = 1024;
/// So many are told.
const MOST_TOLD: usize = 3;

/// A question that offers the names nearest to `name`, such as `; did you mean "add"?`; nothing where none is near.
pub(crate) fn did_you_mean(name: &str, names: &[&str]) -> String {
    let nearest = nearest(name, names.iter().copied());
    let quoted: Vec<_> = nearest.iter().map(|name| format!("\"{name}\"")).collect();
    match &quoted[..] {
        [] => String::new(),
        [one] => format!("; did you mean {one}?"),
        [others @ .., last] => format!("; did you mean {} or {last}?", others.join(", ")),
    }
}

/// The nearest names first; equally near ones in the order of the alphabet.
fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    if name.is_empty() || name.len() > LONGEST {
        return Vec::new();
    }
    let mut names: Vec<&str> = names.into_iter().collect();
    names.sort_unstable();
    names.dedup();
    let written = name.to_lowercase();
    // A third of the letters may be wrong, and one always.
    let length = written.chars().count();
    let most = (length / 3).max(1);
    let mut found: Vec<(usize, &str)> = names
        .into_iter()
        .take(MOST_LOOKED_AT)
        .filter(|other| other.len() <= LONGEST && other.len().abs_diff(name.len()) <= most * 4)
        .take(MOST_COMPARED)
        .map(|other| (strsim::osa_distance(&written, &other.to_lowercase()), other))
        .filter(|(distance, _)| *distance <= most && *distance < length)
        .collect();
    found.sort_unstable();
    found.into_iter().take(MOST_TOLD).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, did_you_mean, nearest};

    #[test]
    fn what_is_near_is_offered() {
        let names = ["subtract", "and", "add", "addressed", "divide", "history"];
        assert_eq!(nearest("addd", names), ["add"]);
        assert_eq!(nearest("ad", names), ["add", "and"]);
        assert_eq!(nearest("DIVIDE", names), ["divide"]);
        assert_eq!(nearest("hsitory", names), ["history"]);
        assert_eq!(nearest("adn", names), ["add", "and"]);
        assert!(nearest("a", ["b", "c"]).is_empty(), "they have nothing in common");
        assert!(nearest("multiply", names).is_empty() && nearest("", names).is_empty());
        assert_eq!(did_you_mean("multiply", &names), "");
        assert_eq!(did_you_mean("addd", &names), "; did you mean \"add\"?");
    }

    #[test]
    fn three_at_most_are_offered_the_nearest_first() {
        let names = ["find_d", "find_c", "find_b", "find_a", "find"];
        assert_eq!(nearest("find_", names), ["find", "find_a", "find_b"]);
        let offer = did_you_mean("find_", &names);
        assert_eq!(offer, "; did you mean \"find\", \"find_a\" or \"find_b\"?");
    }

    #[test]
    fn what_nobody_wrote_by_mistake_is_not_looked_for() {
        let long = "n".repeat(LONGEST + 1);
        assert!(nearest(&long, [long.as_str()]).is_empty());
    }
}
