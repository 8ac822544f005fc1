//! Both machines against each other, in virtual time, over links that split, delay, stall and break as a seed says.
//!
//! * [`ends`]: what the drivers do, without a transport, task or clock;
//! * [`link`]: one connection, and the bytes that are under way;
//! * [`world`]: callers, servers, links, and what must hold after every step;
//! * [`simulation`]: the worlds that are run.

mod ends;
mod link;
mod simulation;
mod world;
