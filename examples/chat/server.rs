//! The server: one call for each member.

use std::{error::Error, future::ready};

use rpc::{Context, Server, Stream, StreamExt, Streaming, stream};

use crate::{
    rooms::Rooms,
    service::{Chat, ChatDispatcher, ChatError, LONGEST_LINE, Message},
};

pub(crate) async fn serve(address: &str) -> Result<(), Box<dyn Error>> {
    let server = Server::bind(address).await?;
    println!("listening on {}", server.local_addr()?);
    let server = server.max_message_size(LONGEST_LINE + 1024);
    server.add(ChatDispatcher::new(Rooms::default())).run_until(rpc::shutdown_signal()).await?;
    println!("stopped");
    Ok(())
}

impl Chat for Rooms {
    async fn join(
        &self,
        ctx: &Context,
        name: &str,
        room: &str,
        lines: Streaming<String>,
    ) -> Result<impl Stream<Item = Message>, ChatError> {
        let (member, heard) = self.enter(name, room)?;
        // The lines are said as the stream is polled, one between two messages that are heard. Behind the last, the member is
        // dropped, and so leaves.
        let said = stream::unfold((lines, member), async |(mut lines, member)| {
            let line = lines.next().await?.ok()?;
            member.say(line);
            Some((None, (lines, member)))
        });
        // That is what it hears last.
        let left = Message::Left(name.to_owned());
        let heard = heard.take_while(move |message| ready(*message != left)).map(Some);
        let both = stream::select(heard, said).filter_map(ready);
        Ok(both.take_until(ctx.draining()))
    }
}
