//! Places: how many requests a model takes, and when one is free again.

use futures::{StreamExt, future::poll_immediate};
use inferno_inference::ErrorKind;

use crate::kit::{Kit, prompt, read, soon, until};

#[tokio::test]
async fn a_dropped_generation_makes_room_for_who_waits() {
    let kit = Kit::new(|config| config.sequences = 1);
    let endless = kit.endless().await;
    let mut waiting = Box::pin(async {
        let generation = kit.inference.generate("slow", prompt("next one", 3)).await.expect("it starts");
        read(generation).await
    });
    // Polled once it is on its way to the worker, where it waits.
    while kit.loaded().queued == 0 {
        assert_eq!(poll_immediate(&mut waiting).await, None, "the only sequence is taken");
        tokio::task::yield_now().await;
    }
    drop(endless);
    assert_eq!(soon("its turn has come", waiting).await.0, "next one");
    assert_eq!(kit.loaded().active, 0);
}

#[tokio::test]
async fn a_request_that_was_given_up_before_it_began_leaves_nothing() {
    let kit = Kit::new(|config| config.sequences = 1);
    let endless = kit.endless().await;
    {
        let mut waiting = Box::pin(kit.inference.generate("slow", prompt("never", 3)));
        while kit.loaded().queued == 0 {
            assert!(poll_immediate(&mut waiting).await.is_none());
            tokio::task::yield_now().await;
        }
    }
    until("the worker has let it go", || kit.loaded().queued == 0).await;
    assert_eq!(kit.loaded().active, 1, "the other one goes on");
    drop(endless);
    until("the worker is idle", || kit.loaded().active == 0).await;
}

#[tokio::test]
async fn a_full_queue_says_when_to_try_again() {
    let kit = Kit::new(|config| (config.sequences, config.queue) = (2, 1));
    let mut held = vec![kit.endless().await, kit.endless().await];
    let mut waiting = Box::pin(kit.inference.generate("slow", prompt("third", 2)));
    while kit.loaded().queued == 0 {
        assert!(poll_immediate(&mut waiting).await.is_none());
        tokio::task::yield_now().await;
    }
    let fourth = kit.inference.generate("slow", prompt("fourth", 2));
    let full = soon("a full queue answers at once", fourth).await.expect_err("no place");
    assert_eq!(full.kind, ErrorKind::Exhausted);
    assert!(full.retry_after_ms.is_some_and(|after| after > 0), "{full:?}");
    assert!(full.message.contains("slow") && full.message.contains('3'), "{full}");
    kit.inference
        .complete("fast", prompt("elsewhere", 2))
        .await
        .expect("other models have places of their own");

    held.clear();
    let third = soon("its turn has come", waiting).await.expect("it starts");
    assert_eq!(read(third).await.0, "third");
    let last = kit.inference.complete("slow", prompt("fourth", 2)).await.expect("there are places again");
    assert_eq!(last.text, "fourth");
}

#[tokio::test]
async fn what_has_ended_by_itself_frees_its_place_though_nobody_took_the_end() {
    let kit = Kit::new(|config| (config.sequences, config.queue) = (1, 0));
    let mut first = kit.inference.generate("fast", prompt("a", 5)).await.expect("it starts");
    until("it has ended", || kit.loaded().active == 0).await;
    kit.inference.complete("fast", prompt("b", 5)).await.expect("the place is free");
    assert!(first.next().await.is_some_and(|event| event.is_ok()), "and its text is still there");
}
