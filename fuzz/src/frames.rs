//! The frame codec: however a stream is cut, the same frames come out, and nothing is allocated for a length that was
//! only announced.

use bytes::BytesMut;
use rpc_core::{
    frame::{Frame, FrameCodec, take_preface},
    limits::READ_AHEAD,
};
use tokio_util::codec::Decoder;

/// The first byte says how the rest is cut.
pub fn run(input: &[u8]) {
    let Some((cut, stream)) = input.split_first() else { return };
    let whole = decoded(stream, usize::MAX);
    let pieces = decoded(stream, 1 + usize::from(*cut));
    assert_eq!(whole, pieces, "where a stream is cut makes no difference");
}

/// The frames of a stream that arrives in pieces of this size, and how it ended.
fn decoded(stream: &[u8], size: usize) -> Vec<String> {
    let mut codec = FrameCodec::new(0);
    let mut input = BytesMut::new();
    let mut frames = Vec::new();
    let mut arrived = 0;
    let mut has_preface = false;
    for piece in stream.chunks(size.min(stream.len().max(1))) {
        input.extend_from_slice(piece);
        arrived += piece.len();
        if !has_preface {
            match take_preface(&mut input) {
                Ok(Some(version)) => {
                    has_preface = true;
                    frames.push(format!("{version:?}"));
                }
                Ok(None) => continue,
                Err(violation) => {
                    // How much of a wrong preface has come is told, so only that it was wrong is compared.
                    frames.push(format!("{:?}", std::mem::discriminant(&violation)));
                    return frames;
                }
            }
        }
        loop {
            match codec.decode(&mut input) {
                Ok(Some(frame)) => {
                    frames.push(match &frame {
                        Frame::Whole(body) => format!("{:?}", body.as_slice()),
                        Frame::Oversized { size, head } => format!("{size} {head:?}"),
                    });
                    if let Frame::Whole(body) = frame {
                        codec.recycle(body);
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    frames.push(error.to_string());
                    return frames;
                }
            }
        }
        let bound = 2 * arrived + 2 * READ_AHEAD;
        assert!(input.capacity() <= bound, "{} bytes for {arrived}", input.capacity());
    }
    if has_preface {
        frames.push(format!(
            "{:?}",
            codec.decode_eof(&mut input).map(|_| ()).map_err(|e| e.to_string())
        ));
    }
    frames
}
