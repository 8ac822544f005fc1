//! Both machines against each other, in virtual time, over links that split, delay, stall and break as a seed says.
//!
//! * [`ends`]: what the drivers do, without a transport, task or clock;
//! * [`link`]: one connection, and the bytes that are under way;
//! * [`script`]: what calls stream;
//! * [`streams`]: what came of it at either end;
//! * [`callers`]: what callers do, and what they are told;
//! * [`world`]: callers, servers and links together, step by step;
//! * [`invariants`]: what must hold after every step, and at the end;
//! * [`simulation`]: the worlds that are run.

mod callers;
mod ends;
mod invariants;
mod link;
mod script;
mod simulation;
mod streams;
mod world;
