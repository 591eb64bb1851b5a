//! The backend through the ABI: linked in, and as a library.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, fs};

use inferno_backend::{
    Ability, Backends, Embed, Error, ErrorKind, Event, Finish, Generate, Image, Input, Library, LoadOptions,
    Message, Model, Role, Usage, Work,
};

fn library() -> Library {
    Library::linked(inferno_backend_echo::backend()).unwrap()
}

fn options(path: &Path) -> LoadOptions {
    LoadOptions { sequences: 2, ..LoadOptions::new(path) }
}

/// A model with these settings.
fn load_from(
    library: &Library,
    settings: &str,
    change: impl FnOnce(&mut LoadOptions),
) -> Result<Box<dyn Model>, Error> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.echo");
    fs::write(&path, format!("inferno-echo\n{settings}")).unwrap();
    let mut options = options(&path);
    change(&mut options);
    library.load(&options, &mut |_| {})
}

fn model(settings: &str) -> Box<dyn Model> {
    load_from(&library(), settings, |_| {}).unwrap()
}

fn prompt(text: &str) -> Generate {
    Generate::new(Input::Prompt(text.into()))
}

fn step(model: &mut dyn Model) -> (Vec<(u64, Event)>, bool) {
    let mut events = Vec::new();
    let more = model.step(&mut |id, event| events.push((id, event))).unwrap();
    (events, more)
}

fn play(model: &mut dyn Model) -> Vec<(u64, Event)> {
    let mut events = Vec::new();
    loop {
        let (new, more) = step(model);
        events.extend(new);
        if !more {
            return events;
        }
    }
}

/// The pieces of the answer to one request, and how it ended.
fn answer(model: &mut dyn Model, work: Generate) -> (Vec<String>, Finish, Usage) {
    model.submit(1, Work::Generate(work)).unwrap();
    let mut events = play(model).into_iter().map(|(_, event)| event);
    let Some(Event::Started { prompt_tokens }) = events.next() else { panic!("no start") };
    let mut pieces = Vec::new();
    loop {
        match events.next() {
            Some(Event::Text(piece)) => pieces.push(piece),
            Some(Event::Done { finish, usage }) => {
                assert_eq!((usage.prompt_tokens, events.next()), (prompt_tokens, None));
                return (pieces, finish, usage);
            }
            other => panic!("{other:?}"),
        }
    }
}

fn usage(prompt_tokens: u32, output_tokens: u32) -> Usage {
    Usage::new(prompt_tokens, output_tokens)
}

fn text(text: &str) -> Event {
    Event::Text(text.into())
}

fn done(finish: Finish, prompt_tokens: u32, output_tokens: u32) -> Event {
    Event::Done { finish, usage: usage(prompt_tokens, output_tokens) }
}

#[test]
fn answers_a_prompt_with_itself_word_by_word() {
    let answer = answer(model("{}").as_mut(), prompt(" Der  Käse\nist alt. "));
    let words = [" Der", "  Käse", "\nist", " alt. "].map(String::from).to_vec();
    assert_eq!(answer, (words, Finish::Stop, usage(4, 4)));
}

#[test]
fn answers_a_chat_with_the_last_message_of_the_user() {
    let chat = |roles: &[(Role, &str)]| {
        let message = |&(role, content): &(Role, &str)| Message::new(role, content);
        Generate { input: Input::Chat(roles.iter().map(message).collect()), ..prompt("") }
    };
    let messages = [
        (Role::System, "be brief"),
        (Role::User, "no"),
        (Role::User, "yes it is"),
        (Role::Assistant, "is it"),
    ];
    let mut model = model("{}");
    let (pieces, finish, used) = answer(model.as_mut(), chat(&messages));
    assert_eq!((pieces.concat().as_str(), finish, used), ("yes it is", Finish::Stop, usage(8, 3)));
    let refusal = model.submit(2, Work::Generate(chat(&messages[..1]))).unwrap_err();
    assert_eq!(refusal.kind, ErrorKind::Invalid);
}

#[test]
fn an_empty_prompt_has_an_empty_answer() {
    assert_eq!(answer(model("{}").as_mut(), prompt("")), (Vec::new(), Finish::Stop, usage(0, 0)));
}

#[test]
fn stops_at_the_tokens_asked_for() {
    let mut model = model("{}");
    let mut limited = |max_tokens: u32| {
        let work = Generate { max_tokens: Some(max_tokens), ..prompt("one two three") };
        let (pieces, finish, used) = answer(model.as_mut(), work);
        (pieces.concat(), finish, used)
    };
    assert_eq!(limited(0), (String::new(), Finish::Length, usage(3, 0)));
    assert_eq!(limited(2), ("one two".into(), Finish::Length, usage(3, 2)));
    assert_eq!(limited(3), ("one two three".into(), Finish::Stop, usage(3, 3)));
}

#[test]
fn stops_at_stop_texts_across_tokens() {
    let mut model = model("{}");
    let mut stopped = |stop: &[&str], max_tokens: Option<u32>| {
        let stop = stop.iter().map(|&text| text.to_owned()).collect();
        let (pieces, finish, used) =
            answer(model.as_mut(), Generate { stop, max_tokens, ..prompt("one two three four") });
        (pieces.join("|"), finish, used.output_tokens)
    };
    assert_eq!(stopped(&["o th"], None), ("one| tw".into(), Finish::StoppedBy(0), 3));
    assert_eq!(
        stopped(&["two four", "two three five"], None),
        ("one| |two three four".into(), Finish::Stop, 4)
    );
    assert_eq!(stopped(&["", "four"], Some(4)), ("one| two| three| ".into(), Finish::StoppedBy(1), 4));
    // At the end it is clear that the beginning of a stop text was none.
    assert_eq!(stopped(&["two three"], Some(2)), ("one| |two".into(), Finish::Length, 2));
    assert_eq!(stopped(&["one"], None), (String::new(), Finish::StoppedBy(0), 1));
}

#[test]
fn keeps_within_the_context_and_says_both_numbers() {
    let mut model = model("{\"context\": 5}");
    assert_eq!(model.info().context, 5);
    let (pieces, finish, used) = answer(model.as_mut(), prompt("a b c d"));
    assert_eq!((pieces.concat().as_str(), finish, used), ("a", Finish::Length, usage(4, 1)));
    let refusal = model.submit(1, Work::Generate(prompt("a b c d e"))).unwrap_err();
    assert_eq!(refusal.kind, ErrorKind::ContextLength);
    assert_eq!(refusal.message, "the prompt has 5 tokens and the context holds 5, answer included");
    assert!(play(model.as_mut()).is_empty());
}

#[test]
fn the_load_options_lower_the_context_and_never_raise_it() {
    let context = |asked| {
        let model = load_from(&library(), "{\"context\": 100}", |options| options.context = asked).unwrap();
        model.info().context
    };
    assert_eq!([None, Some(10), Some(1000)].map(context), [100, 10, 100]);
}

#[test]
fn takes_turns_and_lets_the_rest_wait() {
    let mut model = model("{}");
    for (id, text) in [(1, "a b"), (2, "c d"), (3, "e")] {
        model.submit(id, Work::Generate(prompt(text))).unwrap();
    }
    let start = |prompt_tokens| Event::Started { prompt_tokens };
    let first = vec![(1, start(2)), (2, start(2)), (1, text("a")), (2, text("c"))];
    assert_eq!(step(model.as_mut()), (first, true));
    let second =
        vec![(1, text(" b")), (1, done(Finish::Stop, 2, 2)), (2, text(" d")), (2, done(Finish::Stop, 2, 2))];
    assert_eq!(step(model.as_mut()), (second, true));
    let third = vec![(3, start(1)), (3, text("e")), (3, done(Finish::Stop, 1, 1))];
    assert_eq!(step(model.as_mut()), (third, false));
    assert_eq!(step(model.as_mut()), (Vec::new(), false));
}

#[test]
fn a_cancelled_request_gets_no_further_token_waiting_or_not() {
    // So slow that a step would never write a token.
    let mut model = model("{\"tokens_per_second\": 0.001}");
    for id in 1..=4 {
        model.submit(id, Work::Generate(prompt("a b"))).unwrap();
    }
    let start = Event::Started { prompt_tokens: 2 };
    assert_eq!(step(model.as_mut()), (vec![(1, start.clone()), (2, start.clone())], true));
    model.cancel(2);
    model.cancel(4);
    model.cancel(77);
    let cancelled = done(Finish::Cancelled, 2, 0);
    let events = vec![(4, start), (2, cancelled.clone()), (4, cancelled)];
    assert_eq!(step(model.as_mut()), (events, true));
}

#[test]
fn keeps_the_rate_of_each_request() {
    let mut model = model("{\"tokens_per_second\": 100}");
    let start = Instant::now();
    for id in 1..=2 {
        model.submit(id, Work::Generate(prompt("a b c d e f g h i j"))).unwrap();
    }
    let mut tokens: u32 = 0;
    loop {
        let (events, more) = step(model.as_mut());
        tokens += events.iter().filter(|(_, event)| matches!(event, Event::Text(_))).count() as u32;
        // Never ahead of the rate: 100 tokens a second for each of the two.
        assert!(start.elapsed() >= Duration::from_millis(10) * (tokens / 2));
        if !more {
            break;
        }
    }
    assert_eq!(tokens, 20);
}

#[test]
fn makes_vectors_only_where_the_file_says_so() {
    let embed =
        |inputs: &[&str]| Work::Embed(Embed { inputs: inputs.iter().map(|&text| text.into()).collect() });
    let mut model = self::model("{\"embedding\": 16, \"context\": 3}");
    assert!(model.info().embeds);
    model.submit(1, embed(&["a b", "", "a b"])).unwrap();
    let events: Vec<_> = play(model.as_mut()).into_iter().map(|(_, event)| event).collect();
    let [
        Event::Started { prompt_tokens: 4 },
        Event::Embedding(first),
        Event::Embedding(second),
        Event::Embedding(third),
        end,
    ] = events.as_slice()
    else {
        panic!("{events:?}")
    };
    assert_eq!(end, &done(Finish::Stop, 4, 0));
    assert_eq!((first.len(), first), (16, third));
    assert_ne!(first, second);
    let refusal = model.submit(1, embed(&["fine", "a b c d"])).unwrap_err();
    assert_eq!(
        (refusal.kind, refusal.message.as_str()),
        (ErrorKind::ContextLength, "input 1 has 4 tokens and the context holds 3")
    );
    let mut without = self::model("{}");
    assert!(!without.info().embeds);
    assert_eq!(without.submit(1, embed(&["a"])).unwrap_err().kind, ErrorKind::Invalid);
}

#[test]
fn refuses_what_it_does_not_know() {
    let message = |settings: &str, change: fn(&mut LoadOptions)| {
        load_from(&library(), settings, change).err().unwrap().message
    };
    assert!(message("{\"contxt\": 1}", |_| {}).contains("unknown field `contxt`"));
    assert!(message("{}", |options| drop(options.extra.insert("gpu".into(), "1".into()))).contains("`gpu`"));
    assert!(message("{}", |options| options.sequences = 0).contains("`sequences` is 0"));
    let missing = library().load(&options(Path::new("/no/such/model.echo")), &mut |_| {}).err().unwrap();
    assert_eq!(missing.kind, ErrorKind::NotFound);
    let mut hot = prompt("a");
    hot.sampling.temperature = 3.0;
    assert!(model("{}").submit(1, Work::Generate(hot)).unwrap_err().message.contains("temperature"));
}

/// The library that cargo builds along with these tests.
fn built_library() -> PathBuf {
    let mut path = env::current_exe().unwrap();
    path.pop();
    path.set_file_name("examples");
    path.join(format!("{}inferno_echo{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX))
}

#[test]
fn works_as_a_library_too() {
    let built = built_library();
    assert!(built.exists(), "{} is missing: cargo build --example inferno_echo", built.display());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(built.file_name().unwrap());
    fs::copy(&built, &path).unwrap();
    let backends = Backends::new(vec![inferno_backend_echo::backend()], Some(dir.path()));
    // The one in the directory comes first; the one that is linked in is listed too, with what keeps it out.
    let list = backends.list();
    assert_eq!(list.iter().map(|info| info.path.as_deref()).collect::<Vec<_>>(), [Some(&*path), None]);
    assert_eq!(list[0].error, None);
    assert!(list[1].error.as_ref().unwrap().contains(path.to_str().unwrap()), "{list:?}");
    let library = backends.find(None, "echo").unwrap();
    assert_eq!((library.path(), library.name()), (Some(&*path), "echo"));
    let mut model = load_from(library, "{}", |_| {}).unwrap();
    let (pieces, finish, used) = answer(model.as_mut(), prompt("from afar"));
    assert_eq!((pieces.concat().as_str(), finish, used), ("from afar", Finish::Stop, usage(2, 2)));
}

#[test]
fn images_are_echoed_as_their_sizes() {
    let shown = |content: &str, images: &[usize]| Message {
        images: images.to_vec(),
        ..Message::new(Role::User, content)
    };
    let messages = vec![shown("before", &[6]), shown("äb", &[0, 2, 2, 3])];
    let images = [9, 1, 22, 333, 0].map(|length| Image(vec![7; length])).to_vec();
    let work = Generate { images, ..Generate::new(Input::Chat(messages)) };
    let mut model = model(r#"{"vision": true}"#);
    assert!(model.info().abilities.contains(&Ability::Vision));
    model.submit(1, Work::Generate(work.clone())).unwrap();
    let text: String = play(model.as_mut())
        .into_iter()
        .filter_map(|(_, event)| if let Event::Text(text) = event { Some(text) } else { None })
        .collect();
    assert_eq!(text, "[1 bytes]ä[22 bytes][333 bytes]b[0 bytes]");

    let error = self::model("").submit(1, Work::Generate(work)).unwrap_err();
    assert!(error.message.contains("no vision"), "{error}");
}
