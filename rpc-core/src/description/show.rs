//! Descriptions for a person to read: a method as its signature, and all of it as JSON that a review can compare.

use std::fmt;

use super::{ArgumentDescription, MethodDescription};

/// The signature, as the trait would have it: `divide(a: i64, b: i64) -> Result<i64, MathError>`.
impl fmt::Display for MethodDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.name)?;
        let mut separator = "";
        for argument in &self.arguments {
            write!(f, "{separator}{argument}")?;
            separator = ", ";
        }
        if let Some(taken) = &self.takes {
            write!(f, "{separator}{}: Streaming<{}>", taken.name, taken.ty)?;
        }
        f.write_str(")")?;
        let mut result = match (&self.item_error, self.streams) {
            (Some(error), true) => format!("impl Stream<Item = Result<{}, {error}>>", self.result),
            (None, true) => format!("impl Stream<Item = {}>", self.result),
            (_, false) => self.result.clone(),
        };
        if let Some(error) = &self.error {
            result = format!("Result<{result}, {error}>");
        }
        if result == "()" { Ok(()) } else { write!(f, " -> {result}") }
    }
}

/// `limit: u32 = 5`, or `limit: u32 = …` where the trait does not say what stands in for it.
impl fmt::Display for ArgumentDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.ty)?;
        match &self.default {
            Some(default) => write!(f, " = {default}"),
            None if self.optional => f.write_str(" = …"),
            None => Ok(()),
        }
    }
}

#[cfg(feature = "json")]
mod json {
    use serde::Serialize;

    use super::super::{ServerDescription, ServiceDescription};

    impl ServerDescription {
        /// As JSON that a review can compare: one thing a line, in a stable order, without what is at its default.
        pub fn to_json(&self) -> String {
            pretty(self)
        }
    }

    impl ServiceDescription {
        /// As JSON that a review can compare: one thing a line, in a stable order, without what is at its default.
        ///
        /// A test can hold a trait to what was agreed on:
        ///
        /// ```ignore
        /// let now = ServiceDescription::from(CalcClient::DESCRIPTION).to_json();
        /// assert_eq!(now, include_str!("calc.json"), "the interface has changed");
        /// ```
        pub fn to_json(&self) -> String {
            pretty(self)
        }
    }

    fn pretty(description: &impl Serialize) -> String {
        let mut text = serde_json::to_string_pretty(description)
            .expect("texts, numbers and lists of them can be written as JSON");
        text.push('\n');
        text
    }
}
