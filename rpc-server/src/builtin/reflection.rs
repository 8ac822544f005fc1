//! `rpc.Reflection`: pages of what the server offers (PROTOCOL 14.3 to 14.5).
//!
//! A page begins behind the service and method that its token names, whether or not they are still there: so methods may come and go between
//! two pages, and each one that stays is told once. Finding the place is a binary search; what a page costs is bounded by its limits, whatever
//! the server has.

use std::{future::ready, sync::Arc};

use rpc_core::{
    Answer, Dispatcher, Error, Request, Session, Structs, Value, builtin,
    description::{MethodDescription, Page, ServerInfo, Service, ServiceDescription},
    dispatch::slots,
    limits::{REFLECTION_METHODS, REFLECTION_PAGE},
    value::{Encoded, Encoder},
};
use serde::Serialize;

use crate::directory::Directory;

/// What a page takes beside its services: its token, which is a method's name, and its fields.
const ENVELOPE: usize = 512;

/// What a part takes beside itself: a longer head of the list that it is in.
const HEAD: usize = 4;

/// The dispatcher of `rpc.Reflection`.
pub(crate) struct Reflection {
    directory: Arc<Directory>,
}

impl Reflection {
    pub(crate) fn new(directory: Arc<Directory>) -> Self {
        Self { directory }
    }

    fn describe(&self, request: Request) -> Answer {
        let question = match Question::read(&request) {
            Ok(question) => question,
            Err(error) => return request.refuse(error),
        };
        match question.answer(&self.directory.describe()) {
            Ok(page) => answer(request, &page),
            Err(error) => request.fail(error),
        }
    }
}

impl Dispatcher for Reflection {
    fn description(&self) -> &'static Service {
        &builtin::reflection::SERVICE
    }

    fn session(&self, method: u32) -> Box<dyn Session + '_> {
        match method as usize {
            builtin::reflection::SERVER => {
                slots(|request| ready(answer(request, &ServerInfo::of_this_project())))
            }
            _ => slots(|request| ready(self.describe(request))),
        }
    }
}

/// Answers with maps by name, whatever the client would rather have: absent fields would shift the others of an array.
fn answer(request: Request, value: &impl Serialize) -> Answer {
    request.answer_with(|encoder| {
        let mut named = Encoder::with_buffer(std::mem::take(encoder.buffer()), Structs::Named);
        let result = named.serialize(value);
        *encoder.buffer() = named.take_buffer();
        result
    })
}

/// What a page is asked for with.
struct Question {
    after: String,
    limit: u32,
    service: Option<String>,
}

impl Question {
    fn read(request: &Request) -> Result<Self, Error> {
        let mut arguments = request.arguments();
        let or_nothing = |encoded: Encoded<'_>| {
            if encoded.is_missing() { Ok(String::new()) } else { encoded.str().map(str::to_owned) }
        };
        Ok(Self {
            after: or_nothing(arguments.take("after"))?,
            limit: u32::decode_or_else(arguments.take("limit"), || 0)?,
            service: Option::decode_or_else(arguments.take("service"), || None)?,
        })
    }

    /// The page of these services, which are in order.
    fn answer(&self, services: &[ServiceDescription]) -> Result<Page, Error> {
        let services = match &self.service {
            None => services,
            Some(name) => {
                let place = services.binary_search_by(|service| service.name.cmp(name));
                let place = place.map_err(|_| {
                    Error::not_found(format!("there is no service \"{name}\" to describe"))
                })?;
                &services[place..=place]
            }
        };
        let (after_service, after_method) =
            self.after.rsplit_once('.').unwrap_or((&self.after, ""));
        let first = services.partition_point(|service| &*service.name < after_service);
        let mut room = Room::new(self.limit);
        let mut page = Page::default();
        for service in &services[first..] {
            let is_resumed = !self.after.is_empty() && service.name == after_service;
            let methods = match is_resumed {
                true => {
                    let told =
                        service.methods.partition_point(|method| &*method.name <= after_method);
                    &service.methods[told..]
                }
                false => &service.methods[..],
            };
            if is_resumed && methods.is_empty() {
                continue;
            }
            let mut head = if is_resumed {
                ServiceDescription::new(&*service.name, "", Vec::new())
            } else {
                head(service)
            };
            if !room.take(size(&head), 0) {
                return Ok(page);
            }
            page.next = Some(format!("{}.", service.name));
            for method in methods {
                let method = fitting(method);
                if !room.take(size(&method), 1) {
                    page.services.push(head);
                    return Ok(page);
                }
                page.next = Some(format!("{}.{}", service.name, method.name));
                head.methods.push(method);
            }
            page.services.push(head);
        }
        page.next = None;
        Ok(page)
    }
}

/// What of a page is still free.
struct Room {
    bytes: usize,
    methods: u32,
}

impl Room {
    fn new(limit: u32) -> Self {
        let methods = if limit == 0 { REFLECTION_METHODS } else { limit.min(REFLECTION_METHODS) };
        Self { bytes: REFLECTION_PAGE - ENVELOPE, methods }
    }

    /// Whether there was room for so many bytes that describe so many methods.
    fn take(&mut self, bytes: usize, methods: u32) -> bool {
        if bytes > self.bytes || methods > self.methods {
            return false;
        }
        self.bytes -= bytes;
        self.methods -= methods;
        true
    }
}

/// A service without its methods, its documentation cut to half a page.
fn head(service: &ServiceDescription) -> ServiceDescription {
    let mut head = ServiceDescription::new(&*service.name, &*service.docs, Vec::new());
    head.abridged = service.abridged | cut(&mut head.docs, REFLECTION_PAGE / 2);
    head
}

/// A method that a page has room for, behind a service's head: without some of its documentation, if need be, or with nothing but its name.
fn fitting(method: &MethodDescription) -> MethodDescription {
    const MOST: usize = REFLECTION_PAGE / 4;
    let mut fitting = method.clone();
    if size(&fitting) <= MOST {
        return fitting;
    }
    fitting.abridged = true;
    cut(&mut fitting.docs, MOST / 2);
    if size(&fitting) > MOST {
        fitting = MethodDescription::default();
        fitting.name.clone_from(&method.name);
        fitting.abridged = true;
    }
    fitting
}

/// Cuts a text to so many bytes, at a character's boundary; whether it was longer.
fn cut(text: &mut String, most: usize) -> bool {
    let is_longer = text.len() > most;
    if is_longer {
        let end = (0..=most).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
    }
    is_longer
}

/// How many bytes a part of a page takes there.
fn size(part: &impl Serialize) -> usize {
    let mut encoder = Encoder::new(Structs::Named);
    match encoder.serialize(part) {
        Ok(()) => encoder.len() + HEAD,
        // What cannot be written has room nowhere; texts and numbers can.
        Err(_) => usize::MAX,
    }
}

#[cfg(test)]
mod tests;
