use super::{CallRef, Calls, KEPT_SLOTS, LinkId, Outgoing, SLOT_BITS, Stage};

const LINK: LinkId = LinkId::FIRST;

type Slab = Calls<u32>;

fn insert(calls: &mut Slab, waiter: u32) -> CallRef {
    calls.insert(&mut Outgoing::default(), None, waiter).expect("there is room")
}

/// The waiters of the queue, in order.
fn queue(calls: &mut Slab) -> Vec<u32> {
    let mut waiters = Vec::new();
    let mut next = calls.first();
    while let Some(slot) = next {
        waiters.push(calls.entry(slot).waiter);
        let after = calls.entry(slot).next;
        next = (after != super::NOWHERE).then_some(after);
    }
    waiters
}

/// The waiters of the queue from its other end.
fn backwards(calls: &mut Slab) -> Vec<u32> {
    let mut waiters = Vec::new();
    let mut slot = calls.tail;
    while slot != super::NOWHERE {
        waiters.push(calls.entry(slot).waiter);
        slot = calls.entry(slot).previous;
    }
    waiters.reverse();
    waiters
}

#[track_caller]
fn queued(calls: &mut Slab, expected: &[u32]) {
    assert_eq!(queue(calls), expected);
    assert_eq!(backwards(calls), expected);
}

fn send(calls: &mut Slab, call: CallRef) {
    calls.unlink(call.slot);
    calls.entry(call.slot).stage = Stage::Sent;
    calls.entry(call.slot).link = LINK;
}

#[test]
fn the_queue_keeps_the_order_of_its_calls() {
    let mut calls = Slab::new();
    queued(&mut calls, &[]);
    for waiter in 1..=4 {
        insert(&mut calls, waiter);
    }
    queued(&mut calls, &[1, 2, 3, 4]);
    assert_eq!(calls.len(), 4);
}

#[test]
fn a_call_leaves_the_queue_from_any_place() {
    for (leaves, left) in [(1, [2, 3, 4]), (2, [1, 3, 4]), (3, [1, 2, 4]), (4, [1, 2, 3])] {
        let mut calls = Slab::new();
        let all: Vec<CallRef> = (1..=4).map(|waiter| insert(&mut calls, waiter)).collect();
        calls.unlink(all[leaves - 1].slot);
        queued(&mut calls, &left);
        insert(&mut calls, 5);
        queued(&mut calls, &[&left[..], &[5]].concat());
    }
}

#[test]
fn the_only_call_leaves_an_empty_queue() {
    let mut calls = Slab::new();
    let call = insert(&mut calls, 1);
    calls.unlink(call.slot);
    queued(&mut calls, &[]);
    insert(&mut calls, 2);
    queued(&mut calls, &[2]);
}

#[test]
fn a_call_that_was_sent_goes_back_to_its_place() {
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]] {
        let mut calls = Slab::new();
        let all: Vec<CallRef> = (1..=4).map(|waiter| insert(&mut calls, waiter)).collect();
        for call in &all {
            send(&mut calls, *call);
        }
        queued(&mut calls, &[]);
        insert(&mut calls, 5);
        for index in order {
            calls.requeue(all[index].slot);
            assert_eq!(calls.entry(all[index].slot).stage, Stage::Queued);
        }
        queued(&mut calls, &[1, 2, 3, 4, 5]);
    }
}

#[test]
fn an_id_is_outstanding_on_one_connection() {
    let mut calls = Slab::new();
    let call = insert(&mut calls, 1);
    send(&mut calls, call);
    let id = calls.id(call.slot);
    assert_eq!(calls.outstanding(LINK, id), Some(call.slot));
    assert_eq!(calls.outstanding(LinkId::SECOND, id), None);
}

#[test]
fn a_free_slot_is_used_again_under_another_id() {
    let mut calls = Slab::new();
    let first = insert(&mut calls, 1);
    let id = calls.id(first.slot);
    send(&mut calls, first);
    assert_eq!(calls.outstanding(LINK, id), Some(first.slot));
    let (_, waiter) = calls.free(first.slot);
    assert_eq!(waiter, 1);
    assert_eq!(calls.outstanding(LINK, id), None);

    let second = insert(&mut calls, 2);
    assert_eq!(second.slot, first.slot);
    assert_ne!(second, first);
    send(&mut calls, second);
    assert_eq!(calls.outstanding(LINK, id), None, "a late answer does not reach the call after it");
    assert_eq!(calls.outstanding(LINK, calls.id(second.slot)), Some(second.slot));
}

#[test]
fn only_calls_to_which_an_answer_is_owed_are_outstanding() {
    for (stage, outstanding) in [
        (Stage::Queued, false),
        (Stage::Paused, false),
        (Stage::Sent, true),
        (Stage::Expired, true),
        (Stage::Cancelled, true),
        (Stage::Settled, false),
        (Stage::Free, false),
    ] {
        let mut calls = Slab::new();
        let call = insert(&mut calls, 1);
        calls.entry(call.slot).stage = stage;
        assert_eq!(
            calls.outstanding(LINK, calls.id(call.slot)).is_some(),
            outstanding,
            "{stage:?}"
        );
    }
    let calls = Slab::new();
    assert_eq!(calls.outstanding(LINK, 0), None);
    assert_eq!(calls.outstanding(LINK, u32::MAX), None);
}

#[test]
fn generations_begin_again_after_the_last() {
    let mut calls = Slab::new();
    let first = insert(&mut calls, 0);
    calls.unlink(first.slot);
    calls.free(first.slot);
    let generations = 1 << (u32::BITS - SLOT_BITS);
    for generation in 1..generations {
        let call = insert(&mut calls, generation);
        assert_eq!(calls.id(call.slot), generation << SLOT_BITS | first.slot);
        calls.unlink(call.slot);
        calls.free(call.slot);
    }
    let again = insert(&mut calls, 0);
    assert_eq!(again, first);
}

#[test]
fn a_large_slab_is_freed_with_its_last_call() {
    let mut calls = Slab::new();
    let many = u32::try_from(KEPT_SLOTS + 1).expect("a small slab");
    let all: Vec<CallRef> = (0..many).map(|waiter| insert(&mut calls, waiter)).collect();
    for (call, left) in all.iter().rev().zip((0..KEPT_SLOTS + 1).rev()) {
        calls.unlink(call.slot);
        calls.free(call.slot);
        assert_eq!(calls.len(), left);
        assert_eq!(calls.entries.is_empty(), left == 0, "it is kept while a call is left");
    }
    queued(&mut calls, &[]);
    let next = insert(&mut calls, 7);
    assert_eq!(next.slot, 0);
    assert_ne!(next, all[0], "ids do not begin with the one that was used first");
    queued(&mut calls, &[7]);
}

#[test]
fn a_small_slab_is_kept() {
    let mut calls = Slab::new();
    let few = u32::try_from(KEPT_SLOTS).expect("a small slab");
    let all: Vec<CallRef> = (0..few).map(|waiter| insert(&mut calls, waiter)).collect();
    for call in all {
        calls.unlink(call.slot);
        calls.free(call.slot);
    }
    assert_eq!((calls.len(), calls.entries.len()), (0, KEPT_SLOTS));
    assert_eq!(calls.iter().count(), 0, "free slots are not calls");
}
