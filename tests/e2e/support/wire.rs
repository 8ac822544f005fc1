//! A connection that the test speaks by hand, in the bytes of `docs/PROTOCOL.md`.

use rpc_core::{
    frame::preface,
    msgpack::{Reader, write_array_len, write_map_len, write_nil, write_str, write_uint},
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A stream of either kind.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// What the other side said.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Said {
    Hello,
    Request {
        id: u32,
        method: String,
        /// Which attempt it says it is; 1 where it says nothing.
        attempt: u64,
    },
    Notification {
        method: String,
    },
    Cancel {
        id: u32,
    },
    /// A result, still encoded.
    Result {
        id: u32,
        payload: Vec<u8>,
    },
    Failure {
        id: u32,
        code: u64,
        message: String,
        flags: u64,
    },
    Ping(u64),
    Pong(u64),
    GoAway {
        accepted: u64,
        reason: Option<String>,
    },
    /// An item of a stream, still encoded.
    Item {
        id: u32,
        payload: Vec<u8>,
    },
    /// An item that is an error.
    FailedItem {
        id: u32,
        code: u64,
        message: String,
    },
    /// The end of the client's stream.
    End {
        id: u32,
    },
    Begin {
        id: u32,
    },
    Lost {
        id: u32,
        count: u64,
    },
    Credit {
        id: Option<u32>,
        bytes: u64,
    },
    /// A part with so many bytes: see [`Wire::hear_frame`].
    Part {
        state: u64,
        size: usize,
    },
    /// How many bytes of parts it has received.
    Received(u64),
    /// Nothing more: it closed the connection.
    Closed,
}

impl Said {
    /// The result that says this unsigned number.
    pub(crate) fn number(id: u32, number: u64) -> Self {
        let mut payload = Vec::new();
        write_uint(&mut payload, number);
        Self::Result { id, payload }
    }

    /// The item that is this unsigned number.
    pub(crate) fn item(id: u32, number: u64) -> Self {
        let mut payload = Vec::new();
        write_uint(&mut payload, number);
        Self::Item { id, payload }
    }

    /// The end of a stream that is complete.
    pub(crate) fn complete(id: u32) -> Self {
        Self::Result { id, payload: vec![0xc0] }
    }
}

pub(crate) struct Wire {
    stream: Box<dyn Stream>,
    /// What has come of a message that comes in parts.
    whole: Vec<u8>,
    /// Bytes of parts that have come.
    received: u64,
}

impl Wire {
    pub(crate) fn new(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self { stream: Box::new(stream), whole: Vec::new(), received: 0 }
    }

    /// Sends bytes as they are. That the other side has closed is learned by listening.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
        let _ = self.stream.flush().await;
    }

    /// Sends a message in a frame.
    pub(crate) async fn say(&mut self, message: &[u8]) {
        let mut frame = u32::try_from(message.len()).expect("it is small").to_be_bytes().to_vec();
        frame.extend_from_slice(message);
        self.send(&frame).await;
    }

    /// Closes the sending side.
    pub(crate) async fn finish(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// Says preface and hello, and hears those of the server.
    pub(crate) async fn introduce(&mut self) {
        self.introduce_with(&hello(0)).await;
    }

    /// The same with a hello of the test's own.
    pub(crate) async fn introduce_with(&mut self, hello: &[u8]) {
        self.send(&preface(1, 0)).await;
        self.say(hello).await;
        assert_eq!(self.preface().await, Some(preface(1, 0)));
        assert_eq!(self.hear().await, Said::Hello);
    }

    /// Hears preface and hello of a client, and says those of a server.
    pub(crate) async fn welcome(&mut self) {
        self.greet(&hello(1_024)).await;
    }

    /// The same, of a server that wants to be asked no more often than every so many microseconds.
    pub(crate) async fn welcome_asked_every(&mut self, micros: u64) {
        self.greet(&hello_with(&[(0, 1_024), (5, micros)])).await;
    }

    /// Hears preface and hello of a client, and answers with this hello.
    pub(crate) async fn greet(&mut self, hello: &[u8]) {
        assert_eq!(self.preface().await, Some(preface(1, 0)));
        assert_eq!(self.hear().await, Said::Hello);
        self.send(&preface(1, 0)).await;
        self.say(hello).await;
    }

    /// Hears a request whose method is this, and returns its id.
    pub(crate) async fn hear_request(&mut self, wanted: &str) -> u32 {
        match self.hear().await {
            Said::Request { id, method, .. } if method == wanted => id,
            other => unreachable!("{other:?} is no request of {wanted}"),
        }
    }

    /// Hears a request whose method is this, and returns its id and which attempt it says it is.
    pub(crate) async fn hear_attempt(&mut self, wanted: &str) -> (u32, u64) {
        match self.hear().await {
            Said::Request { id, method, attempt } if method == wanted => (id, attempt),
            other => unreachable!("{other:?} is no request of {wanted}"),
        }
    }

    /// The preface; `None` where the other side closes instead.
    pub(crate) async fn preface(&mut self) -> Option<[u8; 8]> {
        let mut bytes = [0; 8];
        self.stream.read_exact(&mut bytes).await.ok().map(|_| bytes)
    }

    /// What the other side says next. What comes in parts is put together, and how much has come is told.
    pub(crate) async fn hear(&mut self) -> Said {
        loop {
            let Some(message) = self.message().await else {
                return Said::Closed;
            };
            let Some((state, part)) = part(&message) else {
                return parse(&message).expect("the other side keeps to the protocol");
            };
            self.whole.extend_from_slice(part);
            self.received += part.len() as u64;
            let mut received = vec![0x93, 17];
            write_uint(&mut received, self.received);
            received.push(0xc0);
            // The other side may have closed, or not read.
            let length = u32::try_from(received.len()).expect("it is short");
            let frame = [&length.to_be_bytes()[..], &received].concat();
            let _ = self.stream.write_all(&frame).await;
            if state == 0 {
                let whole = std::mem::take(&mut self.whole);
                return parse(&whole).expect("the other side keeps to the protocol");
            }
        }
    }

    /// What the next frame says; parts are not put together, and nobody is told that they came.
    pub(crate) async fn hear_frame(&mut self) -> Said {
        let Some(message) = self.message().await else {
            return Said::Closed;
        };
        match part(&message) {
            Some((state, part)) => Said::Part { state, size: part.len() },
            None => parse(&message).expect("the other side keeps to the protocol"),
        }
    }

    /// Hears what is said until this comes.
    pub(crate) async fn hear_until(&mut self, is_last: impl Fn(&Said) -> bool) -> Vec<Said> {
        let mut heard = Vec::new();
        loop {
            let said = self.hear().await;
            let is_over = is_last(&said) || said == Said::Closed;
            heard.push(said);
            if is_over {
                return heard;
            }
        }
    }

    async fn message(&mut self) -> Option<Vec<u8>> {
        let length = self.stream.read_u32().await.ok()?;
        let mut message = vec![0; length as usize];
        self.stream.read_exact(&mut message).await.ok()?;
        Some(message)
    }
}

/// The state and the bytes of a part.
fn part(message: &[u8]) -> Option<(u64, &[u8])> {
    let mut reader = Reader::new(message);
    reader.array_len().ok()?;
    if reader.unsigned().ok()? != 10 {
        return None;
    }
    Some((reader.unsigned().ok()?, reader.bin().ok()?))
}

fn parse(message: &[u8]) -> Result<Said, rpc_core::msgpack::Malformed> {
    let mut reader = Reader::new(message);
    reader.array_len()?;
    let kind = reader.unsigned()?;
    let id = |reader: &mut Reader<'_>| {
        reader.unsigned().map(|id| u32::try_from(id).expect("an id has 32 bits"))
    };
    Ok(match kind {
        0 => Said::Request { id: id(&mut reader)?, method: reader.str()?.to_owned(), attempt: 1 },
        3 => Said::Request {
            id: id(&mut reader)?,
            method: reader.str()?.to_owned(),
            attempt: attempt(&mut reader)?,
        },
        1 => {
            let id = id(&mut reader)?;
            if reader.take_nil() {
                return Ok(Said::Result { id, payload: reader.rest().to_vec() });
            }
            let (code, message, flags) = error(&mut reader)?;
            Said::Failure { id, code, message, flags }
        }
        2 | 4 => Said::Notification { method: reader.str()?.to_owned() },
        6 => Said::Cancel { id: id(&mut reader)? },
        11 => Said::Ping(reader.unsigned()?),
        12 => Said::Pong(reader.unsigned()?),
        13 => {
            let accepted = reader.unsigned()?;
            let reason = if reader.take_nil() { None } else { Some(error(&mut reader)?.1) };
            Said::GoAway { accepted, reason }
        }
        7 => {
            let id = id(&mut reader)?;
            if reader.take_nil() {
                return Ok(Said::Item { id, payload: reader.rest().to_vec() });
            }
            let (code, message, _) = error(&mut reader)?;
            Said::FailedItem { id, code, message }
        }
        8 => Said::End { id: id(&mut reader)? },
        9 => {
            let id = if reader.take_nil() { None } else { Some(id(&mut reader)?) };
            Said::Credit { id, bytes: reader.unsigned()? }
        }
        14 => Said::Hello,
        15 => Said::Begin { id: id(&mut reader)? },
        16 => Said::Lost { id: id(&mut reader)?, count: reader.unsigned()? },
        17 => Said::Received(reader.unsigned()?),
        other => unreachable!("a message of type {other}"),
    })
}

fn error(reader: &mut Reader<'_>) -> Result<(u64, String, u64), rpc_core::msgpack::Malformed> {
    reader.array_len()?;
    let code = reader.unsigned()?;
    let message = reader.str()?.to_owned();
    reader.skip()?;
    Ok((code, message, reader.unsigned()?))
}

/// The attempt that metadata speak of.
fn attempt(reader: &mut Reader<'_>) -> Result<u64, rpc_core::msgpack::Malformed> {
    let mut attempt = 1;
    for _ in 0..reader.map_len()? {
        if reader.at_str() {
            reader.str()?;
            reader.skip()?;
        } else if reader.unsigned()? == 1 {
            attempt = reader.unsigned()?;
        } else {
            reader.skip()?;
        }
    }
    Ok(attempt)
}

/// A hello that accepts so many calls, and messages of 16 MiB.
pub(crate) fn hello(max_calls: u64) -> Vec<u8> {
    hello_with(&[(0, max_calls), (1, 16 << 20)])
}

/// A hello with these entries (PROTOCOL 1.8).
pub(crate) fn hello_with(entries: &[(u64, u64)]) -> Vec<u8> {
    let mut message = vec![0x92, 14];
    write_map_len(&mut message, u32::try_from(entries.len()).expect("they are few"));
    for (key, value) in entries {
        write_uint(&mut message, *key);
        write_uint(&mut message, *value);
    }
    message
}

/// A request; `arguments` appends their array.
pub(crate) fn request(id: u32, method: &str, arguments: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut message = vec![0x94, 0];
    write_uint(&mut message, u64::from(id));
    write_str(&mut message, method);
    arguments(&mut message);
    message
}

/// A request of one unsigned number, with a timeout in microseconds and a text under `key`.
pub(crate) fn request_with_metadata(
    id: u32,
    method: &str,
    timeout: u64,
    (key, value): (&str, &str),
    argument: u64,
) -> Vec<u8> {
    let mut message = vec![0x95, 3];
    write_uint(&mut message, u64::from(id));
    write_str(&mut message, method);
    write_map_len(&mut message, 2);
    write_uint(&mut message, 0);
    write_uint(&mut message, timeout);
    write_str(&mut message, key);
    write_str(&mut message, value);
    write_array_len(&mut message, 1);
    write_uint(&mut message, argument);
    message
}

/// An error with this code and text.
fn failure(out: &mut Vec<u8>, code: u64, message: &str, flags: u64) {
    write_array_len(out, 4);
    write_uint(out, code);
    write_str(out, message);
    write_nil(out);
    write_uint(out, flags);
}

/// A go-away, with a reason if there is one.
pub(crate) fn go_away(accepted: u64, reason: Option<&str>) -> Vec<u8> {
    let mut message = vec![0x94, 13];
    write_uint(&mut message, accepted);
    match reason {
        Some(reason) => failure(&mut message, 13, reason, 0),
        None => write_nil(&mut message),
    }
    write_nil(&mut message);
    message
}

/// A response with an unsigned number.
pub(crate) fn response(id: u32, number: u64) -> Vec<u8> {
    let mut message = vec![0x94, 1];
    write_uint(&mut message, u64::from(id));
    write_nil(&mut message);
    write_uint(&mut message, number);
    message
}

/// A response with an error.
pub(crate) fn refusal(id: u32, code: u64, text: &str, flags: u64) -> Vec<u8> {
    let mut message = vec![0x94, 1];
    write_uint(&mut message, u64::from(id));
    failure(&mut message, code, text, flags);
    write_nil(&mut message);
    message
}

/// A response with an error that asks to be asked again after so many microseconds.
pub(crate) fn push_back(id: u32, code: u64, text: &str, flags: u64, micros: u64) -> Vec<u8> {
    let mut message = vec![0x94, 1];
    write_uint(&mut message, u64::from(id));
    write_array_len(&mut message, 5);
    write_uint(&mut message, code);
    write_str(&mut message, text);
    write_nil(&mut message);
    write_uint(&mut message, flags);
    write_uint(&mut message, micros);
    write_nil(&mut message);
    message
}

/// Arguments: numbers.
pub(crate) fn numbers(numbers: &[u64]) -> impl FnOnce(&mut Vec<u8>) {
    move |out| {
        write_array_len(out, u32::try_from(numbers.len()).expect("they are few"));
        for number in numbers {
            write_uint(out, *number);
        }
    }
}
