//! The client of `rpc.Reflection`: asks a server what it offers, page by page, and puts the pages together.
//!
//! A server is a stranger here: its pages must go forward and come to an end.

use std::fmt;

use rpc_core::{
    Error, Value,
    builtin::reflection::{DESCRIBE, SERVER, SERVICE},
    description::{Page, ServerDescription, ServerInfo, ServiceDescription},
    limits::{REFLECTION_TOTAL, REFLECTION_TOTAL_SIZE},
    value::{Encoder, Structs},
};

use crate::{call::Call, channel::Channel};

/// Asks a server what it offers: its services, their methods, arguments and documentation.
///
/// Servers of this project answer unless they were told not to; others say `unimplemented`.
///
/// ```no_run
/// # async fn example(channel: rpc_client::Channel) -> Result<(), rpc_core::Error> {
/// use rpc_client::Reflection;
///
/// for service in Reflection::new(channel).describe().await?.services {
///     for method in service.methods {
///         println!("{}.{method}", service.name);
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Reflection {
    channel: Channel,
}

impl Reflection {
    /// Asks over this channel.
    pub fn new(channel: Channel) -> Self {
        Self { channel }
    }

    /// What the server is: the versions of its protocol and of its software.
    pub fn server(&self) -> Call<ServerInfo> {
        self.channel.prepare("rpc.Reflection.server", &SERVICE.methods[SERVER]).call()
    }

    /// All that the server offers.
    ///
    /// # Errors
    ///
    /// Those of calls, of which it makes one for each page. `resource_exhausted` where there are more than 100,000 methods.
    pub async fn describe(&self) -> Result<ServerDescription, Error> {
        let mut description = ServerDescription::default();
        description.server = self.server().await?;
        description.services = self.pages(None).await?;
        Ok(description)
    }

    /// One of its services.
    ///
    /// # Errors
    ///
    /// `not_found` where the server has no service of that name, and those of [`describe`](Self::describe).
    pub async fn service(&self, name: &str) -> Result<ServiceDescription, Error> {
        let services = self.pages(Some(name)).await?;
        services
            .into_iter()
            .find(|service| service.name == name)
            .ok_or_else(|| Error::not_found(format!("the server does not describe \"{name}\"")))
    }

    /// One page: at most `limit` methods, or as many as the server gives at once where that is 0, behind the page whose
    /// [`next`](Page::next) is `after`, of all services or of one.
    pub fn page(&self, after: &str, limit: u32, service: Option<&str>) -> Call<Page> {
        let method = &SERVICE.methods[DESCRIBE];
        let mut request = self.channel.prepare("rpc.Reflection.describe", method);
        request.encoder().str(after);
        let encoded = limit.encode(request.encoder());
        request.encoded("limit", encoded);
        let encoded = service.map(str::to_owned).encode(request.encoder());
        request.encoded("service", encoded);
        request.call()
    }

    async fn pages(&self, service: Option<&str>) -> Result<Vec<ServiceDescription>, Error> {
        let mut book = Book::default();
        let mut after = String::new();
        loop {
            let page = self.page(&after, 0, service).await?;
            match book.add(page)? {
                Some(next) => after = next,
                None => return Ok(book.services),
            }
        }
    }
}

impl fmt::Debug for Reflection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reflection").field("channel", &self.channel).finish()
    }
}

/// The pages that have come, put together.
#[derive(Default)]
struct Book {
    services: Vec<ServiceDescription>,
    methods: usize,
    /// The size of all pages, in bytes.
    size: usize,
}

impl Book {
    /// Puts a page behind the others; what to ask for the next one with.
    fn add(&mut self, page: Page) -> Result<Option<String>, Error> {
        let mut encoded = Encoder::new(Structs::Named);
        page.encode(&mut encoded)?;
        self.size += encoded.len();
        if self.size > REFLECTION_TOTAL_SIZE {
            return Err(Error::resource_exhausted(format!(
                "the server describes itself in more than {REFLECTION_TOTAL_SIZE} bytes; ask for one service, or for single pages"
            )));
        }
        let mut news = 0;
        for mut service in page.services {
            self.methods += service.methods.len();
            news += service.methods.len();
            match self.services.last_mut() {
                Some(last) if last.name == service.name => {
                    last.methods.append(&mut service.methods);
                }
                _ => {
                    news += 1;
                    self.services.push(service);
                }
            }
        }
        if page.next.is_some() && news == 0 {
            return Err(Error::internal("the server has a further page, and nothing on this one"));
        }
        if self.methods.max(self.services.len()) > REFLECTION_TOTAL {
            return Err(Error::resource_exhausted(format!(
                "the server describes more than {REFLECTION_TOTAL} methods; ask for one service, or for single pages"
            )));
        }
        Ok(page.next)
    }
}

#[cfg(test)]
mod tests {
    use rpc_core::description::MethodDescription;

    use super::*;

    fn page(names: &[(&str, &[&str])], next: Option<&str>) -> Page {
        let method = |name: &&str| {
            let mut method = MethodDescription::default();
            (*name).clone_into(&mut method.name);
            method
        };
        let mut page = Page::default();
        page.services = names
            .iter()
            .map(|(name, methods)| {
                ServiceDescription::new(*name, "", methods.iter().map(method).collect())
            })
            .collect();
        page.next = next.map(str::to_owned);
        page
    }

    #[test]
    fn a_service_on_two_pages_is_one() {
        let mut book = Book::default();
        let next = book.add(page(&[("A", &["a"]), ("B", &["a"])], Some("B.a")));
        assert_eq!(next.expect("it is fine").as_deref(), Some("B.a"));
        assert_eq!(book.add(page(&[("B", &["b"]), ("C", &[])], None)).expect("it is fine"), None);
        let names: Vec<_> = book.services.iter().map(|s| (&*s.name, s.methods.len())).collect();
        assert_eq!(names, [("A", 1), ("B", 2), ("C", 0)]);
    }

    #[test]
    fn pages_that_do_not_end_are_not_turned() {
        let mut book = Book::default();
        let error = book.add(page(&[], Some("A."))).expect_err("it does not go forward");
        assert!(error.message().contains("nothing on this one"), "{error}");
        let many = vec![""; 10_000];
        let ended = (0..100).find_map(|_| book.add(page(&[("A", &many)], Some("A."))).err());
        let error = ended.expect("it is too much");
        assert!(error.message().contains("more than 100000 methods"), "{error}");
        let mut book = Book::default();
        let mut large = page(&[("A", &["a"])], Some("A.a"));
        large.services[0].docs = "x".repeat(15 << 20);
        let ended = (0..10).find_map(|_| book.add(large.clone()).err());
        let error = ended.expect("it is too much");
        assert!(error.message().contains("more than 67108864 bytes"), "{error}");
    }
}
