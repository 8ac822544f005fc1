//! What a server allows and how long it waits: the setters, each with its default. Their reasons are in `rpc_core::limits`.

use std::time::Duration;

use rpc_core::limits;

use super::Server;

impl Server {
    /// Sets the largest message that is accepted, in bytes; 16 MiB by default, from 64 KiB to 1 GiB.
    pub fn max_message_size(mut self, bytes: usize) -> Self {
        self.config.max_message_size = bytes;
        self
    }

    /// Sets the largest metadata that a call may carry, and its response, in bytes, encoded; 8 KiB by default, at most 32 KiB.
    pub fn max_metadata_size(mut self, bytes: usize) -> Self {
        self.config.max_metadata_size = bytes;
        self
    }

    /// Sets how deep arrays and maps may nest in an argument; 128 levels by default, which is also the most.
    pub fn max_nesting(mut self, levels: u8) -> Self {
        self.config.max_nesting = levels;
        self
    }

    /// Sets how many calls one connection may have in flight; 1,024 by default, at least 1. A client waits for its turn.
    pub fn max_calls_per_connection(mut self, calls: u32) -> Self {
        self.config.max_calls = calls;
        self
    }

    /// Sets how many calls may be in flight over all connections; 65,536 by default, at least 1.
    ///
    /// The excess is refused with `resource_exhausted`, not started, and asked to come back in 50 ms, which clients of this project
    /// do by themselves. Connections on several threads may take as many too many as there are threads. A call whose handler is ready at
    /// its first poll is never in flight.
    pub fn max_calls(mut self, calls: u32) -> Self {
        self.bounds.max_calls = calls;
        self
    }

    /// Sets the longest time that a call may take, whatever its caller asks for; without end by default. A caller that asks for
    /// nothing gets this.
    pub fn max_timeout(mut self, timeout: Duration) -> Self {
        self.config.max_timeout = timeout;
        self
    }

    /// Sets how many bytes of a stream's items may be under way or untaken; 256 KiB by default, at most 1 GiB.
    ///
    /// It bounds what a stream costs whose consumer stops, and what it can move within a round trip. An item larger than half of it
    /// passes all the same.
    pub fn stream_window(mut self, bytes: usize) -> Self {
        self.config.stream_window = bytes;
        self
    }

    /// Sets the same for all streams of a connection together; 16 MiB by default, at most 1 GiB.
    pub fn connection_window(mut self, bytes: usize) -> Self {
        self.config.connection_window = bytes;
        self
    }

    /// Sets how many bytes of large messages are sent ahead of what the other end has read; 2 MiB by default.
    ///
    /// What is small waits behind them: 2 ms at 1 GB/s. A large message moves at most so many within a round trip.
    pub fn parts_ahead(mut self, bytes: usize) -> Self {
        self.config.parts_ahead = bytes;
        self
    }

    /// Sets how many bytes may be unsent to a client that reads slowly, before nothing more is read from it and none of its handlers
    /// polled; 1 MiB by default.
    pub fn write_high_water(mut self, bytes: usize) -> Self {
        self.config.write_high_water = bytes;
        self
    }

    /// Sets how long a client may be silent before it is asked whether it is there; 20 s by default. [`Duration::MAX`]: it is never
    /// asked.
    pub fn keepalive_idle(mut self, idle: Duration) -> Self {
        self.config.keepalive_idle = idle;
        self
    }

    /// Sets how long a client may be silent after it was asked, before its connection counts as lost and its handlers are dropped;
    /// 10 s by default. A client that does not read what it was sent is not asked: it is this end that stopped to read.
    pub fn keepalive_timeout(mut self, timeout: Duration) -> Self {
        self.config.keepalive_timeout = timeout;
        self
    }

    /// Sets the least time between the pings of a client; 1 s by default. Clients are told, and obey; one that sends 64 too
    /// many has its connection ended.
    pub fn keepalive_floor(mut self, interval: Duration) -> Self {
        self.config.ping_interval = interval;
        self
    }

    /// Sets how long a connection may be without a call before it is closed, in order, within twice this time; without end by default. Its
    /// client makes another one when it needs one.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.config.idle_timeout = timeout;
        self
    }

    /// Sets how old a connection may become, give or take a tenth, before it is closed in order: its client makes another one, and
    /// so spreads over servers that were added; without end by default. Its calls may take as long as [`drain_timeout`](Self::drain_timeout) says.
    pub fn max_connection_age(mut self, age: Duration) -> Self {
        self.bounds.max_age = Some(age.min(limits::MAX_TIMEOUT));
        self
    }

    /// Sets how many connections are served at once; 10,000 by default, at least 1. Further ones wait to be accepted.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections.max(1);
        self
    }

    /// Sets how many connections one address may have, or, of IPv6, one network of 64 bits, which is what a site or a customer has; without a
    /// limit of its own by default, because many clients may stand behind one address. At least 1. Further ones are told so and closed;
    /// clients of this project try again a little later. Unix sockets have no address.
    pub fn max_connections_per_address(mut self, connections: usize) -> Self {
        self.admission.max_per_address = Some(connections.max(1));
        self
    }

    /// Lets the system's own TCP ask a silent client, after this idle time and in this interval; off by default, because the
    /// connection's own pings do more: they notice a process that hangs, not only a machine that is gone.
    pub fn tcp_keepalive(mut self, idle: Duration) -> Self {
        let (shortest, longest) = limits::TCP_KEEPALIVE.into_inner();
        self.tcp.keepalive = Some(idle.clamp(shortest, longest));
        self
    }

    /// Sets whether TCP sends small pieces at once (`TCP_NODELAY`); on by default.
    pub fn tcp_nodelay(mut self, nodelay: bool) -> Self {
        self.tcp.nodelay = nodelay;
        self
    }

    /// Sets how long a new connection may take to introduce itself; 10 s by default.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.bounds.handshake_timeout = timeout.min(limits::MAX_TIMEOUT);
        self
    }

    /// Sets how long the accepted calls may take to finish when the server ends; 30 s by default.
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.bounds.drain_timeout = timeout.min(limits::MAX_TIMEOUT);
        self
    }
}
