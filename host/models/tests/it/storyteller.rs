//! The demo model: read right, cut off anywhere, and with bits turned over.

use std::{
    fs,
    io::Cursor,
    path::PathBuf,
    time::{Duration, Instant},
};

use inferno_models::gguf::{self, Fault};

pub(crate) fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/storyteller/storyteller.gguf")
}

#[test]
fn its_header_is_read() {
    let header = gguf::read(&path()).expect("a right file");
    assert_eq!(header.architecture, "llama");
    assert_eq!(header.name.as_deref(), Some("storyteller"));
    assert_eq!(header.quantization, "Q8_0");
    assert_eq!(header.license.as_deref(), Some("mit"));
    assert_eq!(header.tokenizer.as_deref(), Some("gpt2"));
    assert_eq!(header.vocab_size, Some(1024));
    assert!(header.context_length >= Some(512));
    assert!((1_900_000..2_200_000).contains(&header.parameters), "{}", header.parameters);
    assert!(header.chat_template.as_deref().is_some_and(|template| template.contains("<|im_start|>")));
    assert!(header.generates());
}

#[test]
fn cut_off_at_every_kibibyte_it_is_refused_within_a_second() {
    let dir = tempfile::tempdir().expect("a directory");
    let copy = dir.path().join("cut.gguf");
    let whole = fs::copy(path(), &copy).expect("copied");
    let file = fs::File::options().write(true).open(&copy).expect("opened");
    let before = Instant::now();
    // From the end, so that cutting is enough.
    for size in (0..whole).step_by(1024).collect::<Vec<u64>>().into_iter().rev() {
        file.set_len(size).expect("cut");
        let error = gguf::read(&copy).expect_err("refused");
        assert_eq!(error.fault, Fault::Truncated, "{size}: {error}");
        assert!(error.message.contains(&size.to_string()), "the size {size} is not in: {error}");
    }
    // All of them together. An unoptimised build on a busy machine gets more.
    let limit = Duration::from_secs(if cfg!(debug_assertions) { 10 } else { 1 });
    assert!(before.elapsed() < limit, "{:?}", before.elapsed());
}

#[test]
fn cut_off_at_every_byte_of_the_header_it_is_refused() {
    let bytes = fs::read(path()).expect("the demo model");
    for size in (0..30_000).step_by(7) {
        assert!(gguf::parse(Cursor::new(&bytes[..size]), size as u64).is_err(), "{size}");
        // The bytes are missing although the size says that they are there.
        assert!(gguf::parse(Cursor::new(&bytes[..size]), bytes.len() as u64).is_err(), "{size}");
    }
}

#[test]
fn turned_bits_never_make_it_panic() {
    let right = fs::read(path()).expect("the demo model");
    let size = right.len() as u64;
    // Header only: the data is not looked at anyway.
    let right = &right[..64 * 1024];
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..3000 {
        let mut bytes = right.to_vec();
        for _ in 0..=random.below(4) {
            // Half of the changes hit the first bytes, where the counts and the keys that matter are.
            let reach = if random.below(2) == 0 { 600 } else { bytes.len() as u64 };
            let at = random.below(reach) as usize;
            bytes[at] ^= 1 << random.below(8);
        }
        match gguf::parse(Cursor::new(&bytes), size) {
            Ok(_) => accepted += 1,
            Err(_) => refused += 1,
        }
    }
    // Changes in texts pass, changes in lengths do not: both must have been tried.
    assert!(accepted > 100 && refused > 100, "{accepted} accepted, {refused} refused");
}

/// The same numbers in every run (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
