//! Where a server listens: at an address that tells clients where, or on a listener that somebody else bound.

use std::fs;

use rpc::{Address, Code, Listener, Server};

use crate::support::{
    Network, Place, ProbeClient, ProbeDispatcher, Served, on_each_network, service, within,
};

on_each_network!(
    its_address_is_one_to_connect_to,
    a_listener_may_be_adopted,
    clients_may_connect_before_it_runs,
    an_address_in_use_is_named,
    an_address_is_free_when_its_server_has_ended,
);

/// Runs a server, and calls it at its own address.
async fn assert_serves(server: Server) {
    let address = server.local_addr().expect("it is bound");
    let address_again: Address = address.to_string().parse().expect("it is an address");
    assert_eq!(address, address_again);
    let task = tokio::spawn(server.serve(ProbeDispatcher::new(service().0)));
    let client = ProbeClient::connect(address.to_string()).await.expect("it listens");
    assert_eq!(client.add(1, 2).await.expect("it answers"), 3);
    task.abort();
}

async fn its_address_is_one_to_connect_to(network: Network) {
    let place = Place::new(network);
    let server = Server::bind(place.address()).await.expect("it is free");
    let address = server.local_addr().expect("it is bound").to_string();
    match network {
        Network::Tcp => {
            assert!(
                address.starts_with("tcp://127.0.0.1:") && !address.ends_with(":0"),
                "{address}"
            );
        }
        Network::Unix => assert_eq!(address, place.address()),
    }
    assert_serves(server).await;
    if network == Network::Tcp {
        assert_serves(Server::bind("tcp://localhost:0").await.expect("it is free")).await;
        assert_serves(Server::bind("tcp://0.0.0.0:0").await.expect("it is free")).await;
    }
}

async fn a_listener_may_be_adopted(network: Network) {
    let place = Place::new(network);
    let (adopted, bound) = match place.path() {
        None => {
            let std = std::net::TcpListener::bind("127.0.0.1:0").expect("it is free");
            let bound = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("it is free");
            (Listener::try_from(std), Listener::from(bound))
        }
        Some(path) => {
            let std = std::os::unix::net::UnixListener::bind(&path).expect("it is free");
            let bound =
                tokio::net::UnixListener::bind(path.with_extension("2")).expect("it is free");
            (Listener::try_from(std), Listener::from(bound))
        }
    };
    assert_serves(Server::new(adopted.expect("it can be used"))).await;
    assert_serves(Server::new(bound)).await;
}

async fn clients_may_connect_before_it_runs(network: Network) {
    let place = Place::new(network);
    let server = Server::bind(place.address()).await.expect("it is free");
    let address = server.local_addr().expect("it is bound").to_string();
    let early = ProbeClient::new(rpc::Channel::builder(&address).connect_lazy());
    let mut sum = Box::pin(early.add(1, 2));
    assert!(crate::support::poll_once(&mut sum).await.is_pending());
    tokio::task::yield_now().await;
    let task = tokio::spawn(server.serve(ProbeDispatcher::new(service().0)));
    assert_eq!(sum.await.expect("it answers"), 3);
    task.abort();
}

async fn an_address_in_use_is_named(network: Network) {
    let place = Place::new(network);
    let server = Server::bind(place.address()).await.expect("it is free");
    let address = server.local_addr().expect("it is bound").to_string();
    let error = Server::bind(&address).await.expect_err("it is in use");
    assert_eq!(error.kind(), Code::Unavailable);
    assert!(error.message().starts_with(&format!("cannot listen on {address}: ")), "{error}");
    let error = Server::bind("127.0.0.1:0").await.expect_err("it is no address");
    assert_eq!(error.kind(), Code::InvalidArgument);
    drop(server);
}

async fn an_address_is_free_when_its_server_has_ended(network: Network) {
    let place = Place::new(network);
    let never_run = Server::bind(place.address()).await.expect("it is free");
    let address = never_run.local_addr().expect("it is bound").to_string();
    drop(never_run);
    let shut_down = Served::at(place, &address, |server| server).await;
    shut_down.assert_serves().await;
    shut_down.shutdown.shutdown();
    shut_down.task.await.expect("it does not panic").expect("it ends in order");
    let killed = Served::at(shut_down.place, &address, |server| server).await;
    killed.assert_serves().await;
    let (place, address) = killed.kill().await;
    assert!(place.path().is_none_or(|path| !path.exists()), "nothing is left of it");
    Served::at(place, &address, |server| server).await.assert_serves().await;
}

#[tokio::test]
async fn what_took_the_place_of_a_servers_socket_stays() {
    within(async {
        let place = Place::new(Network::Unix);
        let path = place.path().expect("it is a Unix socket's");
        let first = Server::bind(place.address()).await.expect("it is free");
        fs::remove_file(&path).expect("the socket was there");
        fs::write(&path, "a file of somebody else").expect("the directory is writable");
        drop(first);
        assert_eq!(fs::read(&path).expect("it is still there"), b"a file of somebody else");
        fs::remove_file(&path).expect("it is still there");

        // Another server that took the path over goes on to serve there.
        let second = Server::bind(place.address()).await.expect("it is free");
        fs::rename(&path, path.with_extension("old")).expect("the socket was there");
        let address = place.address();
        let third = Served::at(place, &address, |server| server).await;
        drop(second);
        third.assert_serves().await;
    })
    .await;
}

#[tokio::test]
async fn the_socket_of_an_adopted_listener_stays() {
    within(async {
        let place = Place::new(Network::Unix);
        let path = place.path().expect("it is a Unix socket's");
        let bound = tokio::net::UnixListener::bind(&path).expect("it is free");
        drop(Server::new(Listener::from(bound)));
        assert!(path.exists(), "it belongs to whoever bound it");
    })
    .await;
}
