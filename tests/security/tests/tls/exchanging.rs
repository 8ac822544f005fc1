//! What is in force can be exchanged while the server runs: for the handshakes that come, not for what is open.

use std::path::{Path, PathBuf};

use rpc::{
    Code,
    tls::{ClientTls, ServerTls},
};
use rpc_security_tests::authority::{Authority, Issued};

use crate::{Served, identified, mutual, server_tls, trusting};

/// A folder that goes with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("rpc-tls-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("there is room");
        Self(path)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("there is room");
        path
    }

    fn put(&self, issued: &Issued) -> (PathBuf, PathBuf) {
        (self.write("own.pem", &issued.certificate), self.write("own.key", &issued.key))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn a_servers_certificate_is_renewed_while_it_runs() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let folder = Folder::new("renewed");
    let (certificate, key) = folder.put(&old.server());
    let tls = ServerTls::from_pem_files(certificate, key).expect("they are sound");
    let served = Served::new(tls.clone()).await;
    let before = served.client(&trusting(&old)).await;
    folder.put(&new.server());
    // Nobody reads the files by himself.
    served.client(&trusting(&old)).await;
    tls.reload().expect("they are sound");
    assert_eq!(before.find(1).await.expect("it lives on"), 1);
    assert_eq!(served.client(&trusting(&new)).await.find(2).await.expect("it answers"), 2);
    let error = served.channel(&trusting(&old)).await.expect_err("it is not known any more");
    assert!(error.to_string().contains("an unknown authority"), "{error}");
    assert_eq!(before.find(3).await.expect("it lives on"), 3);
}

#[tokio::test]
async fn what_cannot_be_read_again_changes_nothing() {
    let authority = Authority::new("the authority");
    let folder = Folder::new("unread");
    let (certificate, key) = folder.put(&authority.server());
    let tls = ServerTls::from_pem_files(&certificate, &key).expect("they are sound");
    let served = Served::new(tls.clone()).await;
    // Half of a renewal: the key is not that of the certificate.
    folder.write("own.key", authority.server().key);
    let error = tls.reload().expect_err("they do not go together");
    assert!(error.to_string().contains("is not that of the first certificate"), "{error}");
    std::fs::remove_file(&certificate).expect("it is there");
    let error = tls.reload().expect_err("it is gone");
    assert_eq!(error.kind(), Code::NotFound);
    assert!(error.to_string().contains("own.pem"), "{error}");
    let client = served.client(&trusting(&authority)).await;
    assert_eq!(client.find(1).await.expect("it answers"), 1);
}

#[tokio::test]
async fn a_client_is_revoked_while_its_server_runs() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let (good, bad) = (clients.client("good"), clients.client("bad"));
    let folder = Folder::new("revoked");
    let list = folder.write("revoked.pem", clients.revoked(&[]));
    let tls = mutual(&servers.server(), &clients).client_crls_pem_file(list).expect("it is sound");
    let served = Served::new(tls.clone()).await;
    let spared = identified(trusting(&servers), &good);
    let struck = identified(trusting(&servers), &bad);
    // Both have sessions that they could resume.
    let before = served.client(&struck).await;
    before.find(1).await.expect("it answers");
    served.client(&spared).await.find(1).await.expect("it answers");
    folder.write("revoked.pem", clients.revoked(&[&bad]));
    tls.reload().expect("it is sound");
    let error = served.channel(&struck).await.expect_err("it is revoked");
    assert!(error.to_string().contains("was revoked"), "{error}");
    served.client(&spared).await.find(2).await.expect("it answers");
    before.find(3).await.expect("what is open stays open");
}

#[tokio::test]
async fn an_authority_of_clients_is_exchanged() {
    let servers = Authority::new("servers");
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let tls = mutual(&servers.server(), &old);
    let served = Served::new(tls.clone()).await;
    let theirs = identified(trusting(&servers), &old.client("old"));
    let ours = identified(trusting(&servers), &new.client("new"));
    served.client(&theirs).await.find(1).await.expect("it answers");
    tls.replace(&mutual(&servers.server(), &new)).expect("it is sound");
    let error = served.channel(&theirs).await.expect_err("it is not trusted any more");
    assert!(error.to_string().contains("does not trust the authority"), "{error}");
    served.client(&ours).await.find(2).await.expect("it answers");
}

#[tokio::test]
async fn a_client_takes_over_new_files() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let folder = Folder::new("taken");
    let roots = folder.write("ca.pem", old.pem());
    let tls = ClientTls::new().roots_pem_file(roots).expect("it is sound");
    let served = Served::new(server_tls(&new.server())).await;
    served.channel(&tls).await.expect_err("it is not known");
    folder.write("ca.pem", new.pem());
    tls.reload().expect("it is sound");
    served.client(&tls).await.find(1).await.expect("it answers");
}
