//! The directory's lease: who lost it without noticing serves nobody from what it was.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use sendwheel_actors::domain::directory::Role;
use sendwheel_actors::domain::ids::{AccountNo, Partition};
use sendwheel_actors::engine::EngineSettings;
use sendwheel_actors::store::keys::DirectoryKey;
use sendwheel_actors::store::{Acquired, Batch, Mutation, NodeId, SharedStore, Table, codec};

use super::people::{operator, user};
use super::support::{Node, settings, until};

#[actix::test]
async fn a_directory_that_was_lost_is_taken_back_and_read_anew() {
    let folder = tempfile::tempdir().unwrap();
    let kept: RefCell<Option<SharedStore>> = RefCell::default();
    let brisk = EngineSettings { lease_ttl: Duration::from_millis(60), ..settings() };
    let node = Node::start_on(folder.path(), brisk, |store| {
        *kept.borrow_mut() = Some(Arc::clone(&store));
        store
    })
    .await;
    let store = kept.take().unwrap();
    let (no, ttl) = (AccountNo(1), Duration::from_secs(60));
    let mut account = node.engine.directory().account(no).unwrap().clone();
    account.name = "Renamed elsewhere".into();
    let mut stolen = false;
    while !stolen {
        // Another process of this node's name; the keeper may be quicker, and takes it back before the change.
        let Acquired::Granted(mut lease) = store.acquire(Partition::DIRECTORY, NodeId(1), ttl).await.unwrap() else {
            panic!("it is the same node");
        };
        let put = Mutation::Put(Table::Directory, DirectoryKey::Account(no).key(), codec::encode(&account));
        let batch = Batch { mutations: vec![put], is_growth: false };
        stolen = store.commit(&mut lease.head, batch).await.is_ok();
    }
    until("the change is seen", async || node.engine.directory().account(no).unwrap().name == "Renamed elsewhere")
        .await;
    // And it is this node's again: what is changed now is durable.
    let operator = operator(&node).await;
    user(&node, &operator, "bob@example.com", Role::User).await;
    node.stop().await;
}
