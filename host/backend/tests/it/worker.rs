//! Workers as processes: what they answer, and how they end.

use std::process::Stdio;

use inferno_backend::frames::{Frame, Load};
use inferno_backend::{ErrorKind, Event, Finish, Usage};

use crate::abi::{options, prompt};
use crate::host::{FAILED, Host, command};
use crate::libraries;

fn text(text: &str) -> Event {
    Event::Text(text.into())
}

fn done(finish: Finish, output_tokens: u32) -> Event {
    Event::Done { finish, usage: Usage::new(3, output_tokens) }
}

const STARTED: Event = Event::Started { prompt_tokens: 3 };

#[test]
fn loads_answers_and_ends_with_its_host() {
    let mut host = Host::start(|_| {});
    host.load("play", "");
    // Steps of less than a hundredth are not worth a frame.
    for share in [0.25, 0.5, 1.0] {
        assert_eq!(host.receive(), Some(Frame::Progress(share)));
    }
    let Some(Frame::Ready(info)) = host.receive() else { panic!("no Ready") };
    assert_eq!((info.context, info.sequences), (100, 2));
    for id in [7, 8] {
        host.submit(id, prompt("hello"));
        assert_eq!(
            [host.event(), host.event(), host.event()],
            [(id, STARTED), (id, text("hello")), (id, done(Finish::Stop, 0))]
        );
    }
    assert_eq!(host.hang_up(), (Vec::new(), Some(0)));
}

#[test]
fn works_on_several_requests_at_once_and_cancels_one() {
    let mut host = Host::loaded();
    host.submit(1, prompt("endless"));
    host.submit(2, prompt("endless"));
    let mut seen = [0, 0];
    while seen.contains(&0) {
        let (id, event) = host.event();
        seen[id as usize - 1] += u32::from(event == text("on "));
    }
    host.send(&Frame::Cancel { id: 1 });
    host.send(&Frame::Cancel { id: 99 });
    let cancelled = loop {
        let (id, event) = host.event();
        if event != text("on ") {
            break (id, event);
        }
        seen[id as usize - 1] += 1;
    };
    assert_eq!(cancelled, (1, done(Finish::Cancelled, seen[0])));
    // The other one goes on, until the host hangs up in the middle of it.
    assert_eq!(host.event(), (2, text("on ")));
    assert_eq!(host.hang_up().1, Some(0));
}

#[test]
fn ends_when_the_host_vanishes_in_mid_answer() {
    let mut host = Host::loaded();
    host.submit(1, prompt("endless"));
    assert_eq!(host.event(), (1, STARTED));
    let (closed, _) = std::os::unix::net::UnixStream::pair().unwrap();
    host.socket = closed;
    assert_eq!(host.end().code(), Some(0));
}

#[test]
fn ends_when_the_host_vanishes_in_mid_load() {
    use std::os::unix::process::ExitStatusExt as _;

    let mut host = Host::start(|_| {});
    host.load("script", "hang");
    assert_eq!(host.receive(), Some(Frame::Progress(0.5)));
    let (closed, _) = std::os::unix::net::UnixStream::pair().unwrap();
    host.socket = closed;
    assert_eq!(host.end().signal(), Some(9), "at once");
}

#[test]
fn a_refused_request_is_no_end() {
    let mut host = Host::loaded();
    host.submit(1, prompt("fail this request"));
    assert_eq!(host.event(), (1, STARTED));
    assert!(matches!(host.event(), (1, Event::Failed(error)) if error.kind == ErrorKind::ContextLength));
    host.submit(1, prompt("the id is free again"));
    assert_eq!([host.event().1, host.event().1], [STARTED, text("the id is free again")]);
    assert_eq!(host.hang_up().1, Some(0));
}

#[test]
fn passes_on_only_what_the_protocol_allows() {
    let mut host = Host::loaded();
    host.submit(1, prompt("babble"));
    host.submit(2, prompt("bye"));
    let events: Vec<_> = (0..6).map(|_| host.event()).collect();
    let ours: Vec<_> = events.iter().filter(|(id, _)| *id == 1).map(|(_, event)| event.clone()).collect();
    assert_eq!(ours, [STARTED, text("in time"), done(Finish::Stop, 0)]);
    assert!(events.iter().all(|(id, _)| [1, 2].contains(id)), "{events:?}");
    assert_eq!(host.hang_up(), (Vec::new(), Some(0)));
}

#[test]
fn a_forgotten_request_fails() {
    let mut host = Host::loaded();
    host.submit(1, prompt("forget"));
    assert_eq!(host.event(), (1, STARTED));
    assert!(matches!(host.event(), (1, Event::Failed(error)) if error.message.contains("went idle")));
    assert_eq!(host.hang_up().1, Some(0));
}

/// Every request in work fails with the reason, then the worker as a whole, and its exit status says so too.
#[track_caller]
fn ends_with(mut host: Host, mut active: Vec<u64>, part: &str) {
    loop {
        match host.receive() {
            Some(Frame::Event { id, event: Event::Failed(error) }) => {
                assert!(error.message.contains(part), "{error} lacks {part:?}");
                active.retain(|other| *other != id);
            }
            Some(Frame::Event { .. }) => {}
            Some(Frame::Failed(error)) => {
                assert!(error.message.contains(part), "{error} lacks {part:?}");
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(active, [0; 0], "these requests were not told");
    assert_eq!(host.receive(), None);
    assert_eq!(host.end().code(), Some(FAILED));
}

#[test]
fn a_failed_step_fails_every_request_and_ends_the_worker() {
    for (script, part) in
        [("fail in step", "the stage broke"), ("panic in step", "panicked in `step`: the stage")]
    {
        let mut host = Host::loaded();
        host.submit(1, prompt("endless"));
        host.submit(2, prompt("endless"));
        host.submit(3, prompt(script));
        ends_with(host, vec![1, 2, 3], part);
    }
}

#[test]
fn a_malformed_frame_fails_every_request_and_ends_the_worker() {
    let mut host = Host::loaded();
    host.submit(1, prompt("endless"));
    host.send_bytes(&u32::MAX.to_le_bytes());
    ends_with(host, vec![1], "a frame of 4294967295 bytes");

    let mut host = Host::loaded();
    host.submit(1, prompt("endless"));
    host.send(&Frame::Progress(0.5));
    ends_with(host, vec![1], "only a worker may send");

    let mut host = Host::loaded();
    host.submit(1, prompt("endless"));
    host.submit(1, prompt("endless"));
    ends_with(host, vec![1], "request 1, which has not ended");
}

#[test]
fn a_malformed_first_frame_ends_the_worker() {
    let check = |bytes: &[u8], part: &str| {
        let mut host = Host::start(|_| {});
        host.send_bytes(bytes);
        host.socket.shutdown(std::net::Shutdown::Write).unwrap();
        ends_with(host, Vec::new(), part);
    };
    check(b"GET / HTTP/1.1\r\n\r\n", "a frame of 542393671 bytes");
    check(&[9, 0, 0, 0, 77], "unknown kind 77");
    check(&[1, 0, 0, 0, 1], "a frame of 1 bytes");
    check(&[20, 0, 0, 0, 1, 0], "ended inside a frame");
    check(&[10, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, b'{'], "a load is not as expected");
    check(&[9, 0, 0, 0, 3, 1, 0, 0, 0, 0, 0, 0, 0], "first frame is no Load");
}

#[test]
fn a_failed_load_says_why() {
    for (format, file, part) in [
        ("script", "refuse", "the file says so"),
        ("script", "panic", "panicked in `load`: the file says"),
        ("gguf", "", "no backend runs the format `gguf`"),
    ] {
        let mut host = Host::start(|_| {});
        host.load(format, file);
        ends_with(host, Vec::new(), part);
    }
}

#[test]
fn a_host_that_says_nothing_is_no_fault() {
    assert_eq!(Host::start(|_| {}).hang_up(), (Vec::new(), Some(0)));
}

#[test]
fn standard_input_must_be_a_socket() {
    let dir = tempfile::tempdir().unwrap();
    let output = command(dir.path()).stdin(Stdio::null()).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(FAILED));
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(log.contains("standard input is no socket"), "{log}");
}

#[test]
fn opens_a_backend_of_the_directory() {
    let mut host = Host::start(|dir| drop(libraries::tiny(dir)));
    let path = host.dir.path().join("model.tiny");
    std::fs::write(&path, "from C").unwrap();
    let (backend, format) = (Some("tiny".into()), "tiny".into());
    host.send(&Frame::Load(Load { backend, format, options: options(&path) }));
    assert_eq!(host.receive(), Some(Frame::Progress(0.5)));
    assert_eq!(host.receive(), Some(Frame::Progress(1.0)));
    assert!(matches!(host.receive(), Some(Frame::Ready(info)) if info.sequences == 4));
    host.submit(1, prompt("?"));
    let events: Vec<_> = (0..4).map(|_| host.event().1).collect();
    let usage = Usage::new(1, 2);
    assert_eq!(
        events,
        [
            Event::Started { prompt_tokens: 1 },
            text("fro"),
            text("m C"),
            Event::Done { finish: Finish::Stop, usage }
        ]
    );
    assert_eq!(host.hang_up().1, Some(0));
}

/// The model's own file stays readable, and libraries do; what lies beside the model does not.
#[cfg(target_os = "linux")]
#[test]
fn is_confined_to_its_model() {
    use landlock::{ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr};
    let mut host = Host::loaded();
    let beside = host.dir.path().join("secret");
    std::fs::write(&beside, "").unwrap();
    let rules = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    let enforced = rules.handle_access(AccessFs::from_all(ABI::V1)).and_then(Ruleset::create).is_ok();
    let secret = if enforced { "PermissionDenied" } else { "open" };
    let model = host.dir.path().join("model \"of\" straw \u{1f33e}.script");
    for (path, answer) in [(&*beside, secret), (&*model, "open"), ("/proc/self/status".as_ref(), "open")] {
        host.submit(1, prompt(path.to_str().unwrap()));
        assert_eq!([host.event().1, host.event().1], [STARTED, text(answer)], "{}", path.display());
        assert_eq!(host.event().1, done(Finish::Stop, 0));
    }
}

/// Adapters and the projector may be read, and state may be kept in its directory, which need not be there before.
#[cfg(target_os = "linux")]
#[test]
fn reads_what_belongs_to_the_model_and_writes_state_and_nothing_else() {
    use landlock::{ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr};
    let mut host = Host::loaded_with(|dir, mut options| {
        std::fs::write(dir.join("adapter"), "").unwrap();
        options.adapters.insert("a".into(), dir.join("adapter"));
        std::fs::write(dir.join("projector"), "").unwrap();
        options.projector = Some(dir.join("projector"));
        options.state_dir = Some(dir.join("states/model"));
        options
    });
    let path = |name: &str| host.dir.path().join(name).to_str().unwrap().to_owned();
    let rules = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    let enforced = rules.handle_access(AccessFs::from_all(ABI::V3)).and_then(Ruleset::create).is_ok();
    let refused = if enforced { "PermissionDenied" } else { "written" };
    let asked = [
        (path("adapter"), "open"),
        (path("projector"), "open"),
        (format!("write {}", path("states/model/file")), "written"),
        (format!("write {}", path("states/file")), refused),
        (format!("write {}", path("file")), refused),
    ];
    for (script, answer) in asked {
        host.submit(1, prompt(&script));
        assert_eq!([host.event().1, host.event().1], [STARTED, text(answer)], "{script}");
        assert_eq!(host.event().1, done(Finish::Stop, 0));
    }
}

#[test]
fn a_quiet_model_has_time_for_itself() {
    let mut host = Host::loaded_with(|dir, mut options| {
        options.state_dir = Some(dir.join("state"));
        options
    });
    let note = host.dir.path().join("state/quiet");
    let began = std::time::Instant::now();
    while !note.exists() {
        assert!(began.elapsed() < std::time::Duration::from_secs(60), "it was never stepped");
        std::thread::yield_now();
    }
    host.submit(1, prompt("hello"));
    assert_eq!([host.event().1, host.event().1], [STARTED, text("hello")]);
}
