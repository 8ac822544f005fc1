//! The hello: what each side says about itself before anything else (PROTOCOL 1.8).

use std::time::Duration;

use crate::{
    limits::{ASSUMED_MESSAGE_SIZE, MAX_FRAME_SIZE, PING_INTERVAL},
    metadata::{from_micros, micros},
    msgpack::{self, Malformed, Reader},
    value::Structs,
};

mod key {
    pub(super) const MAX_CALLS: u64 = 0;
    pub(super) const MAX_MESSAGE_SIZE: u64 = 1;
    pub(super) const STREAM_WINDOW: u64 = 2;
    pub(super) const STRUCTS: u64 = 3;
    pub(super) const DEFAULT_TIMEOUT: u64 = 4;
    pub(super) const PING_INTERVAL: u64 = 5;
    pub(super) const CONNECTION_WINDOW: u64 = 6;
}

/// What one side announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Calls in flight that it accepts on this connection.
    pub max_calls: u32,
    /// Bytes of the largest message that it accepts.
    pub max_message_size: usize,
    /// Bytes of a stream's items that it has room for.
    pub stream_window: usize,
    /// The same over all streams of the connection.
    pub connection_window: usize,
    /// How it wants structs to be written.
    pub structs: Structs,
    /// The timeout of its calls that carry none.
    pub default_timeout: Option<Duration>,
    /// The least time between the pings that it is sent.
    pub ping_interval: Duration,
}

impl Default for Hello {
    fn default() -> Self {
        Self {
            max_calls: 0,
            max_message_size: ASSUMED_MESSAGE_SIZE,
            stream_window: 0,
            connection_window: 0,
            structs: Structs::Named,
            default_timeout: None,
            ping_interval: PING_INTERVAL,
        }
    }
}

impl Hello {
    /// Appends the map. What is at its default is left out.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let absent = Self::default();
        let entries = [
            (key::MAX_CALLS, u64::from(self.max_calls), self.max_calls != absent.max_calls),
            (
                key::MAX_MESSAGE_SIZE,
                self.max_message_size as u64,
                self.max_message_size != absent.max_message_size,
            ),
            (key::STREAM_WINDOW, self.stream_window as u64, self.stream_window != 0),
            (
                key::STRUCTS,
                u64::from(self.structs == Structs::Compact),
                self.structs != absent.structs,
            ),
            (
                key::DEFAULT_TIMEOUT,
                self.default_timeout.map_or(0, micros),
                self.default_timeout.is_some(),
            ),
            (
                key::PING_INTERVAL,
                micros(self.ping_interval),
                self.ping_interval != absent.ping_interval,
            ),
            (key::CONNECTION_WINDOW, self.connection_window as u64, self.connection_window != 0),
        ];
        let present = entries.iter().filter(|(.., present)| *present);
        msgpack::write_map_len(out, u32::try_from(present.clone().count()).unwrap_or(0));
        for (key, value, _) in present {
            msgpack::write_uint(out, *key);
            msgpack::write_uint(out, *value);
        }
    }

    /// Reads the map.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut hello = Self::default();
        for _ in 0..reader.map_len()? {
            match reader.unsigned()? {
                key::MAX_CALLS => {
                    hello.max_calls = u32::try_from(reader.unsigned()?).unwrap_or(u32::MAX)
                }
                key::MAX_MESSAGE_SIZE => {
                    let size = usize::try_from(reader.unsigned()?).unwrap_or(usize::MAX);
                    hello.max_message_size = size.clamp(ASSUMED_MESSAGE_SIZE, MAX_FRAME_SIZE);
                }
                key::STREAM_WINDOW => hello.stream_window = window(reader)?,
                key::CONNECTION_WINDOW => hello.connection_window = window(reader)?,
                key::STRUCTS => {
                    hello.structs =
                        if reader.unsigned()? == 1 { Structs::Compact } else { Structs::Named };
                }
                key::DEFAULT_TIMEOUT => {
                    let timeout = reader.unsigned()?;
                    hello.default_timeout = (timeout != 0).then(|| from_micros(timeout));
                }
                key::PING_INTERVAL => hello.ping_interval = from_micros(reader.unsigned()?),
                _ => {
                    reader.skip()?;
                }
            }
        }
        Ok(hello)
    }
}

fn window(reader: &mut Reader<'_>) -> Result<usize, Malformed> {
    Ok(usize::try_from(reader.unsigned()?).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests;
