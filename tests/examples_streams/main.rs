//! The examples that stream, as processes: what a person types into terminals, and what is read there.
//!
//! Nothing here waits for a while: each step waits for a line that a program prints, or for its end.

mod chat;
mod file_transfer;
mod log_tail;
mod place;
mod process;
mod proxy;
