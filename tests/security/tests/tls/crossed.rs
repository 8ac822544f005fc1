//! One end speaks TLS, the other does not: both say so.

use rpc::{Channel, Code};
use rpc_security_tests::authority::Authority;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{Served, server_tls, trusting, within};

#[tokio::test]
async fn a_plain_client_learns_that_the_server_speaks_tls() {
    let served = Served::new(server_tls(&Authority::new("the authority").server())).await;
    for _ in 0..5 {
        let address = served.address.replace("tls://", "tcp://");
        let error = within(Channel::connect(&address)).await.expect_err("it is another protocol");
        assert_eq!(error.kind(), Code::Internal);
        assert!(error.to_string().contains("connect with tls://"), "{error}");
    }
}

#[tokio::test]
async fn a_client_with_tls_learns_that_the_server_does_not_speak_it() {
    let served = Served::at("tcp://127.0.0.1:0", |server| server).await;
    let address = served.address.replace("tcp://", "tls://");
    let tls = trusting(&Authority::new("the authority"));
    let error =
        within(Channel::builder(&address).tls(tls).connect()).await.expect_err("it is plain");
    assert!(error.to_string().contains(&address), "{error}");
    assert!(error.to_string().contains("connect with tcp://"), "{error}");
}

#[tokio::test]
async fn a_client_with_tls_learns_that_the_server_speaks_something_else() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = format!("tls://{}", listener.local_addr().expect("it is bound"));
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("it listens");
        stream.write_all(b"220 mail.example ESMTP\r\n").await.expect("it is open");
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    });
    let tls = trusting(&Authority::new("the authority"));
    let error =
        within(Channel::builder(&address).tls(tls).connect()).await.expect_err("it is mail");
    assert!(error.to_string().contains("the first bytes are not those of TLS"), "{error}");
    within(serving).await.expect("it ends");
}

#[tokio::test]
async fn whoever_speaks_something_else_is_sent_an_alert() {
    let served = Served::new(server_tls(&Authority::new("the authority").server())).await;
    let mut stream = TcpStream::connect(served.host()).await.expect("it listens");
    // So much that the server closes with some of it unread, which would reset the connection if it did not wait.
    stream.write_all(&b"GET / HTTP/1.1\r\n\r\n".repeat(10_000)).await.expect("it is open");
    let mut answer = Vec::new();
    within(stream.read_to_end(&mut answer)).await.expect("it is closed in order");
    // A record of the type "alert", of level "fatal".
    assert_eq!(answer.first(), Some(&0x15), "{answer:02x?}");
    assert_eq!(answer.get(5), Some(&2), "{answer:02x?}");
}
