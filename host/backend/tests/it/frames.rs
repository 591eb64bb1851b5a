//! Frames: whatever is encoded is decoded, and whatever comes is decoded or refused, however it is cut.

use std::collections::BTreeSet;
use std::io::{self, Read};

use inferno_backend::frames::{self, Frame, FrameError, Load, MAX_PAYLOAD};
use inferno_backend::{
    Ability, Choice, Classify, Constraint, Detokenize, Embed, Error, ErrorKind, Event, Finish, Generate,
    Image, Input, LoadOptions, Message, ModelInfo, Rank, Role, Sampling, Tensors, Token, Tokenize, Tool,
    ToolCall, ToolCallDelta, ToolChoice, Usage, Work,
};
use serde_json::json;

/// SplitMix64: random, and the same with every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    fn many<T>(&mut self, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(4)).map(|_| make(self)).collect()
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.below(2) == 0).then(|| make(self))
    }

    fn text(&mut self) -> String {
        let characters = ['a', '"', '\\', '\n', '\0', 'ü', '\u{2028}', '\u{1f525}', '\u{10ffff}'];
        (0..self.below(20)).map(|_| self.pick(&characters)).collect()
    }

    fn id(&mut self) -> u64 {
        let any = self.next();
        self.pick(&[0, 1, u64::MAX, any])
    }

    fn float(&mut self) -> f32 {
        let any = self.below(1000) as f32 / 7.0 - 70.0;
        self.pick(&[0.0, -0.0, f32::MIN_POSITIVE, f32::MAX, any])
    }

    fn u32(&mut self) -> u32 {
        let any = self.next() as u32;
        self.pick(&[0, u32::MAX, any])
    }

    fn error(&mut self) -> Error {
        Error {
            kind: self.pick(&[
                ErrorKind::Denied,
                ErrorKind::NotFound,
                ErrorKind::ContextLength,
                ErrorKind::Internal,
            ]),
            message: self.text(),
            hint: self.maybe(Self::text),
            retry_after_ms: self.maybe(Self::id),
        }
    }

    fn work(&mut self) -> Work {
        match self.below(10) {
            0 | 1 => return Work::Embed(Embed { inputs: self.many(Self::text) }),
            2 => return Work::Rank(Rank { query: self.text(), documents: self.many(Self::text) }),
            3 => return Work::Tokenize(Tokenize { text: self.text(), special: self.below(2) == 0 }),
            4 => return Work::Detokenize(Detokenize { tokens: self.many(Self::u32) }),
            5 => return Work::Classify(Classify { inputs: self.many(Self::text) }),
            6 => {
                let inputs = self.many(|random| (random.text(), random.u32().into())).into_iter().collect();
                return Work::Tensors(Tensors { inputs });
            }
            _ => {}
        }
        let message = |random: &mut Self| Message {
            role: random.pick(&[Role::System, Role::User, Role::Assistant, Role::Tool]),
            content: "ü".repeat(4) + &random.text(),
            tool_calls: random.many(|random| ToolCall {
                id: random.text(),
                name: random.text(),
                arguments: random.text(),
            }),
            tool_call_id: random.maybe(Self::text),
            images: random
                .many(|random| 2 * random.below(5) as usize)
                .into_iter()
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect(),
        };
        let messages = if self.below(2) == 0 { Vec::new() } else { self.many(message) };
        let images = messages.iter().flat_map(|message| &message.images);
        let images = images.map(|_| Image(self.text().into_bytes())).collect();
        let generate = Generate {
            input: match messages.is_empty() {
                true => Input::Prompt(self.text()),
                false => Input::Chat(messages),
            },
            images,
            max_tokens: self.maybe(Self::u32),
            sampling: Sampling {
                temperature: self.float(),
                seed: self.maybe(Self::id),
                ..Sampling::default()
            },
            stop: self.many(Self::text),
            logit_bias: self.many(|random| (random.u32(), random.float())),
            logprobs: self.maybe(Self::u32),
            constraint: self.maybe(|random| match random.below(2) {
                0 => Constraint::Grammar(random.text()),
                _ => Constraint::Json(json!({ "type": random.text() })),
            }),
            tools: self.many(|random| Tool {
                name: random.text(),
                description: random.text(),
                parameters: json!({ "properties": { random.text(): {} } }),
            }),
            tool_choice: match self.below(4) {
                0 => ToolChoice::None,
                1 => ToolChoice::Required,
                2 => ToolChoice::Named(self.text()),
                _ => ToolChoice::Auto,
            },
            adapters: self.many(|random| (random.text(), random.float())),
        };
        if self.below(4) == 0 { Work::Count(generate) } else { Work::Generate(generate) }
    }

    fn token(&mut self) -> Token {
        Token { id: self.u32(), bytes: self.text().into_bytes(), logprob: self.float() }
    }

    fn event(&mut self) -> Event {
        match self.below(8) {
            5 => Event::Tokens(self.many(Self::u32)),
            6 => Event::Choices(
                self.many(|random| Choice { token: random.token(), top: random.many(Self::token) }),
            ),
            7 => Event::ToolCall(ToolCallDelta {
                index: self.u32(),
                id: self.maybe(Self::text),
                name: self.maybe(Self::text),
                arguments: self.text(),
            }),
            0 => Event::Started { prompt_tokens: self.u32() },
            1 => Event::Text(self.text()),
            2 => Event::Embedding(self.many(Self::float)),
            3 => Event::Done {
                finish: self.pick(&[
                    Finish::Stop,
                    Finish::StoppedBy(2),
                    Finish::Length,
                    Finish::ToolCalls,
                    Finish::Cancelled,
                ]),
                usage: Usage {
                    prompt_tokens: self.u32(),
                    output_tokens: self.u32(),
                    cached_tokens: self.u32(),
                },
            },
            _ => Event::Failed(self.error()),
        }
    }

    fn frame(&mut self) -> Frame {
        match self.below(8) {
            0 => Frame::Load(Load {
                backend: self.maybe(Self::text),
                format: self.text(),
                options: LoadOptions {
                    path: self.text().into(),
                    context: self.maybe(Self::u32),
                    sequences: self.u32(),
                    threads: self.maybe(Self::u32),
                    threads_batch: self.maybe(Self::u32),
                    adapters: self.many(|random| (random.text(), random.text().into())).into_iter().collect(),
                    projector: self.maybe(|random| random.text().into()),
                    files: self.many(|random| random.text().into()),
                    state_dir: self.maybe(|random| random.text().into()),
                    extra: self.many(|random| (random.text(), random.text())).into_iter().collect(),
                },
            }),
            1 => Frame::Submit { id: self.id(), work: self.work() },
            2 => Frame::Cancel { id: self.id() },
            3 => Frame::Progress(self.below(101) as f32 / 100.0),
            4 => Frame::Ready(ModelInfo {
                context: self.u32(),
                sequences: self.u32(),
                embeds: self.below(2) == 0,
                generates: self.below(2) == 0,
                chats: self.below(2) == 0,
                device: self.text(),
                abilities: self
                    .many(|random| random.pick(&[Ability::Rank, Ability::Tools]))
                    .into_iter()
                    .collect(),
                memory: self.id(),
            }),
            5 => Frame::Failed(self.error()),
            _ => Frame::Event { id: self.id(), event: self.event() },
        }
    }
}

/// Frames and their encoding.
fn some_frames(random: &mut Random) -> (Vec<Frame>, Vec<u8>) {
    let frames: Vec<_> = (0..1 + random.below(5)).map(|_| random.frame()).collect();
    let mut bytes = Vec::new();
    frames.iter().for_each(|frame| frames::encode(frame, &mut bytes).unwrap());
    (frames, bytes)
}

/// All frames in `bytes`, and what ended them.
fn decode_all(bytes: &[u8]) -> (Vec<Frame>, Result<usize, String>) {
    let mut frames = Vec::new();
    let mut at = 0;
    loop {
        match frames::decode(&bytes[at..]) {
            Ok(Some((frame, taken))) => {
                frames.push(frame);
                at += taken;
            }
            Ok(None) => return (frames, Ok(bytes.len() - at)),
            Err(error) => return (frames, Err(error.to_string())),
        }
    }
}

#[test]
fn what_is_encoded_is_decoded_however_it_is_cut() {
    for seed in 0..500 {
        let random = &mut Random(seed);
        let (frames, bytes) = some_frames(random);
        let mut got = Vec::new();
        let mut buffer = Vec::new();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(random.below(rest.len() as u64 + 1) as usize);
            buffer.extend_from_slice(piece);
            rest = after;
            while let Some((frame, taken)) = frames::decode(&buffer).unwrap() {
                got.push(frame);
                buffer.drain(..taken);
            }
        }
        assert_eq!(got, frames, "seed {seed}");
        assert_eq!(buffer, Vec::<u8>::new(), "seed {seed}");
    }
}

#[test]
fn reading_agrees_with_decoding_whatever_comes() {
    for seed in 0..5000 {
        let random = &mut Random(seed);
        let (_, mut bytes) = some_frames(random);
        for _ in 0..1 + random.below(3) {
            let at = random.below(bytes.len() as u64) as usize;
            match random.below(3) {
                0 => bytes[at] = random.next() as u8,
                1 => bytes[at] ^= 1 << random.below(8),
                _ => bytes.truncate(at + 1),
            }
        }
        let (frames, end) = decode_all(&bytes);
        for frame in &frames {
            // What was accepted is a frame in every respect: it can be passed on.
            let mut again = Vec::new();
            frames::encode(frame, &mut again).unwrap();
            assert_eq!(frames::decode(&again).unwrap(), Some((frame.clone(), again.len())), "seed {seed}");
        }
        let mut from = bytes.as_slice();
        let mut read = Vec::new();
        let read_end = loop {
            match frames::read_frame(&mut from) {
                Ok(Some(frame)) => read.push(frame),
                Ok(None) => break Ok(0),
                Err(FrameError::Cut) => break Err(None),
                Err(error) => break Err(Some(error.to_string())),
            }
        };
        assert_eq!(read, frames, "seed {seed}");
        match end {
            Ok(0) => assert_eq!(read_end, Ok(0), "seed {seed}"),
            Ok(_) => assert_eq!(read_end, Err(None), "seed {seed}"),
            Err(error) => assert_eq!(read_end, Err(Some(error)), "seed {seed}"),
        }
    }
}

#[test]
fn what_can_be_told_to_be_wrong_is_refused_at_once() {
    let check = |bytes: &[u8], expected: &str| {
        assert_eq!(frames::decode(bytes).unwrap_err().to_string(), expected, "{bytes:?}");
    };
    let range = "the shortest has 9, the longest 67108873";
    check(&8_u32.to_le_bytes(), &format!("a frame of 8 bytes; {range}"));
    check(&u32::MAX.to_le_bytes(), &format!("a frame of 4294967295 bytes; {range}"));
    let longest = MAX_PAYLOAD as u32 + 9;
    assert_eq!(frames::decode(&longest.to_le_bytes()).unwrap(), None);
    check(&(longest + 1).to_le_bytes(), &format!("a frame of 67108874 bytes; {range}"));
    for kind in [0, 4, 15, 19, 32, 41, 255] {
        check(&[9, 0, 0, 0, kind], &format!("a frame of the unknown kind {kind}"));
    }
}

#[test]
fn payloads_must_fit_their_kind() {
    let check = |kind: u8, id: u64, payload: &[u8], part: &str| {
        let mut bytes = (9 + payload.len() as u32).to_le_bytes().to_vec();
        bytes.push(kind);
        bytes.extend(id.to_le_bytes());
        bytes.extend(payload);
        let reason = frames::decode(&bytes).unwrap_err().to_string();
        assert!(reason.contains(part), "{reason:?} lacks {part:?}");
    };
    check(3, 1, b"x", "it has a payload");
    check(16, 1, &0.5_f32.to_le_bytes(), "its id is 1");
    check(16, 0, &[0; 3], "no share");
    check(16, 0, &f32::NAN.to_le_bytes(), "no share");
    check(16, 0, &1.5_f32.to_le_bytes(), "no share");
    check(34, 1, b"\xf0\x9f", "not UTF-8");
    check(35, 1, &[0; 6], "6 bytes");
    check(35, 1, &f32::NAN.to_le_bytes(), "value 0 of an embedding is NaN");
    check(38, 1, &[0; 6], "6 bytes");
    check(39, 1, b"[{\"token\":{\"id\":7,\"bytes\":[],\"logprob\":-1e39},\"top\":[]}]", "token 7 is -inf");
    let hot = b"{\"generate\":{\"input\":{\"prompt\":\"x\"},\"sampling\":{\"temperature\":1e39}}}";
    check(2, 1, hot, "temperature is inf");
    check(2, 1, b"{\"generate\":{\"input\":{\"prompt\":\"x\"},\"toolz\":[]}}", "unknown field `toolz`");
    check(2, 1, b"{\"embed\":{\"inputs\":[]}} ...", "trailing characters");
    let seen = |places: &str, images: &[u8]| {
        let message = format!("{{\"role\":\"user\",\"content\":\"ü\",\"images\":[{places}]}}");
        let work = format!("{{\"generate\":{{\"input\":{{\"chat\":[{message}]}}}}}}");
        [work.as_bytes(), images].concat()
    };
    check(2, 1, &seen("0", b"\0\x04\0\0\0abc"), "cut off");
    check(2, 1, &seen("0", b"\0\x04\0"), "cut off");
    check(2, 1, &seen("0", b""), "places for 1 images, but 0 came");
    check(2, 1, &seen("0", b"\0\x01\0\0\0a\0\0\0\0"), "places for 1 images, but 2 came");
    check(2, 1, &seen("1", b"\0\x01\0\0\0a"), "stands nowhere in the text of message 1");
    check(2, 1, &seen("2,0", b"\0\0\0\0\0\0\0\0\0"), "stands nowhere in the text of message 1");
    check(2, 1, b"{\"embed\":{\"inputs\":[]}}\0\x01\0\0\0a", "looks at none");
}

#[test]
fn what_could_not_be_read_is_not_written() {
    let mut bytes = b"before".to_vec();
    let frame = Frame::Event { id: 1, event: Event::Text("x".repeat(MAX_PAYLOAD + 1)) };
    assert!(matches!(frames::encode(&frame, &mut bytes), Err(FrameError::Length(67_108_874))));
    let sampling = Sampling { top_p: f32::INFINITY, ..Sampling::default() };
    let work = Generate { sampling, ..Generate::new(Input::Prompt("x".into())) };
    let frame = Frame::Submit { id: 1, work: Work::Generate(work) };
    assert!(frames::encode(&frame, &mut bytes).unwrap_err().to_string().contains("top_p is inf"));
    assert_eq!(bytes, b"before");
}

/// A peer that promises a long frame and sends little of it.
struct Promise {
    sent: io::Cursor<Vec<u8>>,
    largest: usize,
}

impl Read for Promise {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.largest = self.largest.max(buffer.len());
        self.sent.read(buffer)
    }
}

#[test]
fn memory_follows_what_came_and_not_what_was_promised() {
    let mut bytes = (MAX_PAYLOAD as u32).to_le_bytes().to_vec();
    bytes.extend([1; 20]);
    let mut promise = Promise { sent: io::Cursor::new(bytes), largest: 0 };
    assert!(matches!(frames::read_frame(&mut promise), Err(FrameError::Cut)));
    assert!(promise.largest <= 64 * 1024, "room for {} bytes was made", promise.largest);
}
