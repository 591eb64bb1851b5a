//! What a request gets.

use futures::{StreamExt, future::join_all};
use inferno_inference::{Embed, Error, ErrorKind, Event, Finish, Generate, Input};

use crate::kit::{Kit, prompt, read, until, words};

#[tokio::test]
async fn tokens_arrive_in_order_and_exact() {
    let kit = Kit::new(|_| {});
    let asked = words("wörd", 1200);
    let generation = kit.inference.generate("fast", prompt(&asked, 1000)).await.expect("it starts");
    assert_eq!(generation.prompt_tokens(), 1200);
    assert_eq!(read(generation).await, (words("wörd", 1000), Finish::Length, 1000));
    let generation = kit.inference.generate("fast", prompt("one two", 1000)).await.expect("it starts");
    assert_eq!(read(generation).await, ("one two".into(), Finish::Stop, 2));
}

#[tokio::test]
async fn text_comes_while_it_is_written() {
    let kit = Kit::new(|_| {});
    let mut generation = kit.endless().await;
    for _ in 0..5 {
        let event = generation.next().await.expect("it goes on").expect("it is well");
        assert!(matches!(event, Event::Text(_)));
    }
    assert_eq!(kit.loaded().active, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_requests_at_once_do_not_mix() {
    let kit = Kit::new(|config| config.sequences = 8);
    let ask = async |number: usize| {
        let (text, count) = (words(&format!("r{number}-"), 200 + number), 200 + number as u32);
        let generation = kit.inference.generate("fast", prompt(&text, 1000)).await?;
        assert_eq!(read(generation).await, (text, Finish::Stop, count));
        Ok::<_, Error>(())
    };
    for outcome in join_all((0..64).map(ask)).await {
        outcome.expect("there is a place for each");
    }
    let loaded = kit.loaded();
    assert_eq!((loaded.active, loaded.queued, loaded.restarts), (0, 0, 0));
}

#[tokio::test]
async fn a_slow_consumer_gets_one_piece_and_holds_nobody_up() {
    let kit = Kit::new(|_| {});
    let (long, short) = (words("long", 5000), words("short", 100));
    let mut idle = kit.inference.generate("fast", prompt(&long, 5000)).await.expect("it starts");
    let busy = kit.inference.generate("fast", prompt(&short, 100)).await.expect("it starts");
    assert_eq!(read(busy).await.0, short);
    until("the whole answer is here, though nobody reads it", || kit.loaded().active == 0).await;
    assert_eq!(idle.next().await, Some(Ok(Event::Text(long))));
    assert!(matches!(idle.next().await, Some(Ok(Event::Done { .. }))));
    assert_eq!(idle.next().await, None);
}

#[tokio::test]
async fn whole_answers_and_vectors() {
    let kit = Kit::new(|_| {});
    let completion = kit.inference.complete("fast", prompt("a b c d", 3)).await.expect("it ends");
    assert_eq!((completion.text.as_str(), completion.finish), ("a b c", Finish::Length));
    assert_eq!((completion.usage.prompt_tokens, completion.usage.output_tokens), (4, 3));

    let inputs = vec!["one".to_owned(), "two words".to_owned(), "one".to_owned()];
    let embeddings = kit.inference.embed("fast", Embed { inputs }).await.expect("it embeds");
    assert_eq!(embeddings.vectors.len(), 3);
    assert_eq!(embeddings.vectors[0], embeddings.vectors[2]);
    assert_ne!(embeddings.vectors[0], embeddings.vectors[1]);
    assert!(embeddings.usage.prompt_tokens > 0);
}

#[tokio::test]
async fn refusals_come_before_the_stream() {
    let kit = Kit::new(|config| config.context = Some(16));
    let refused = async |model: &str, request: Generate| {
        kit.inference.generate(model, request).await.expect_err("refused")
    };
    let unknown = refused("fats", prompt("a", 1)).await;
    assert_eq!(unknown.kind, ErrorKind::NotFound);
    assert!(unknown.hint.expect("near names").contains("fast"));
    assert_eq!(refused("../../etc/passwd", prompt("a", 1)).await.kind, ErrorKind::Invalid);
    let empty = Generate { input: Input::Chat(vec![]), ..prompt("a", 1) };
    assert_eq!(refused("fast", empty).await.kind, ErrorKind::Invalid);
    assert_eq!(kit.inference.loaded(), [], "nothing was started for any of these");

    let long = refused("fast", prompt(&"word ".repeat(40), 1)).await;
    assert_eq!(long.kind, ErrorKind::ContextLength);
    kit.inference.complete("fast", prompt("a", 1)).await.expect("the model serves on");
    assert_eq!(kit.loaded().active, 0);
}
