//! What a gateway does with a request: its arguments go to another call as they came, and what comes of that is the answer.
//!
//! Small payloads are copied from buffer to buffer, large ones shared. Nothing is walked over here: who decodes does that.

use super::{Answer, Request, undescribed};
use crate::{
    Error, Metadata, Raw,
    buffer::give_buffer,
    payload::Payload,
    stream::{self, Streaming},
    value::Encoder,
};

impl Request {
    /// Sends the items of a stream on as they came, and says how many were dropped in front of each. The caller learns that the stream has begun, if nothing
    /// of it is there yet. Completes behind the last item, with how the stream ended, and what came with its end.
    ///
    /// # Errors
    ///
    /// As for [`stream`](Self::stream), in the place of the stream's end.
    #[doc(hidden)]
    pub async fn stream_on(&self, items: Streaming<Raw>) -> (Result<(), Error>, Metadata) {
        match &self.0.outlet {
            Some(outlet) => stream::send_on(outlet, items, self.structs()).await,
            None => (Err(undescribed("streams")), Metadata::new()),
        }
    }

    /// Appends the arguments to those of another call, as they came.
    #[doc(hidden)]
    pub fn pass_arguments(&self, encoder: &mut Encoder) {
        self.0.context.payload.append_to(encoder);
    }

    /// Ends the call as another one ended, and sends back what came with that.
    #[doc(hidden)]
    pub fn answer_as(
        mut self,
        outcome: Result<Payload, Error>,
        metadata: Option<Metadata>,
    ) -> Answer {
        if let Some(metadata) = metadata {
            self.0.context.set_response(metadata);
        }
        match outcome {
            Ok(payload) => {
                payload.append_to(&mut self.0.output);
                if let Some(buffer) = payload.into_body().into_buffer() {
                    give_buffer(buffer);
                }
                Answer(self.0)
            }
            Err(error) => self.fail(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use crate::{
        Metadata, Peer,
        context::Surroundings,
        dispatch::{Blank, Incoming, Request},
        payload::{Body, Payload},
        value::{Encoder, Piece, Structs},
    };

    /// A call with this payload behind a head of four bytes.
    fn request(body: Body) -> Request {
        let incoming = Incoming {
            payload: Payload::new(body, 4),
            method: 0..4,
            metadata: None,
            attempt: 1,
            deadline: None,
            structs: Structs::Named,
        };
        Blank::new(Arc::new(Surroundings::new(Peer::Local))).fill(incoming, 0)
    }

    /// Where the one segment of a payload lies.
    fn segment(encoder: &Encoder) -> *const u8 {
        let mut segments = encoder.pieces().filter_map(|piece| match piece {
            Piece::Segment(bytes) => Some(bytes.as_ptr()),
            Piece::Run(run) => {
                assert!(run.is_empty());
                None
            }
        });
        segments.next().expect("there is one")
    }

    #[test]
    fn large_payloads_are_shared_both_ways() {
        let frame = Bytes::from(vec![7; 100_000]);
        let request = request(Body::Large(frame.clone()));
        let mut arguments = Encoder::default();
        request.pass_arguments(&mut arguments);
        assert_eq!(arguments.len(), frame.len() - 4);
        assert_eq!(segment(&arguments), frame[4..].as_ptr());
        let answered = Bytes::from(vec![8; 200_000]);
        let payload = Payload::new(Body::Large(answered.clone()), 9);
        let mut answer = request.answer_as(Ok(payload), None);
        let result = answer.outcome().expect("it is an answer");
        assert_eq!(segment(result), answered[9..].as_ptr());
    }

    #[test]
    fn small_payloads_are_as_they_came() {
        // Not MessagePack: who decodes it says so.
        let request = request(Body::Small(vec![0, 0, 0, 0, 0xc1, 1]));
        let mut arguments = Encoder::default();
        request.pass_arguments(&mut arguments);
        assert_eq!(arguments.as_run(), Some(&[0xc1, 1][..]));
        let mut metadata = Metadata::new();
        metadata.insert("node", "b");
        let payload = Payload::new(Body::Small(vec![1, 2, 3]), 1);
        let mut answer = request.answer_as(Ok(payload), Some(metadata.clone()));
        assert_eq!(answer.outcome().expect("it is an answer").as_run(), Some(&[2, 3][..]));
        assert_eq!(answer.take_metadata(), Some(metadata));
    }
}
