//! Both machines against each other, in virtual time, over a link that cuts and loses as a seed says.
//!
//! * [`ends`]: what the drivers do, without a transport, task or clock;
//! * [`world`]: callers, a link, handlers, and what must hold after every step;
//! * [`simulation`]: the worlds that are run.

mod ends;
mod simulation;
mod world;
