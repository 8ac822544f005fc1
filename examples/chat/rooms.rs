//! Who is in which room, and what is said there.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rpc::{Stream, stream};
use tokio::sync::broadcast::{self, error::RecvError};

use crate::service::{ChatError, LONGEST_NAME, Message};

/// Messages that a room may be ahead of a member's connection.
const AHEAD: usize = 1024;

/// The rooms that somebody is in.
#[derive(Clone, Default)]
pub(crate) struct Rooms(Arc<Mutex<HashMap<String, Room>>>);

struct Room {
    members: BTreeSet<String>,
    messages: broadcast::Sender<Message>,
}

/// Somebody in a room, who leaves it when this is dropped: with the call, however that ends.
pub(crate) struct Member {
    rooms: Rooms,
    room: String,
    name: String,
    messages: broadcast::Sender<Message>,
}

impl Rooms {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Room>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a room; what is heard there begins with a welcome.
    pub(crate) fn enter(
        &self,
        name: &str,
        room: &str,
    ) -> Result<(Member, impl Stream<Item = Message> + use<>), ChatError> {
        for name in [name, room] {
            if name.is_empty() || name.len() > LONGEST_NAME || name.contains(char::is_control) {
                return Err(ChatError::Name(name.to_owned()));
            }
        }
        let mut rooms = self.lock();
        let Room { members, messages } = rooms.entry(room.to_owned()).or_insert_with(|| Room {
            members: BTreeSet::new(),
            messages: broadcast::Sender::new(AHEAD),
        });
        if members.contains(name) {
            return Err(ChatError::Taken { name: name.to_owned(), room: room.to_owned() });
        }
        let welcome = Message::Welcome(members.iter().cloned().collect());
        members.insert(name.to_owned());
        let _ = messages.send(Message::Joined(name.to_owned()));
        let heard = heard(welcome, messages.subscribe());
        let messages = messages.clone();
        drop(rooms);
        let (room, name) = (room.to_owned(), name.to_owned());
        Ok((Member { rooms: self.clone(), room, name, messages }, heard))
    }
}

/// What a member hears from now on.
fn heard(
    welcome: Message,
    messages: broadcast::Receiver<Message>,
) -> impl Stream<Item = Message> + use<> {
    stream::unfold((Some(welcome), messages), async |(welcome, mut messages)| {
        if let Some(welcome) = welcome {
            return Some((welcome, (None, messages)));
        }
        match messages.recv().await {
            Ok(message) => Some((message, (None, messages))),
            Err(RecvError::Lagged(count)) => Some((Message::Missed(count), (None, messages))),
            Err(RecvError::Closed) => None,
        }
    })
}

impl Member {
    pub(crate) fn say(&self, line: String) {
        let _ = self.messages.send(Message::Said { name: self.name.clone(), line });
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut rooms = self.rooms.lock();
        if let Some(room) = rooms.get_mut(&self.room) {
            room.members.remove(&self.name);
            if room.members.is_empty() {
                rooms.remove(&self.room);
            }
        }
        let _ = self.messages.send(Message::Left(self.name.clone()));
    }
}
