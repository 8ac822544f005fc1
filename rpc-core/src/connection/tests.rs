//! Both machines against each other, in virtual time, over a link that cuts and loses as a seed says.
//!
//! * [`random`]: the seed's numbers;
//! * [`ends`]: what the drivers do, without a transport, task or clock;
//! * [`world`]: callers, a link, handlers, and what must hold after every step;
//! * [`simulation`]: the worlds that are run.

mod ends;
mod random;
mod simulation;
mod world;
