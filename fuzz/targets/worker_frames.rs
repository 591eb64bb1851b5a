//! The frame decoder on any bytes: what it accepts, it must also be able to write back and read as the same.
#![no_main]

use inferno_backend::frames::{decode, encode};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    while let Ok(Some((frame, taken))) = decode(rest) {
        assert!(taken > 0 && taken <= rest.len(), "a frame is at least one byte and at most what there is");
        let mut written = Vec::new();
        encode(&frame, &mut written).expect("a decoded frame is within the limits");
        let (again, _) = decode(&written).expect("an encoded frame decodes").expect("and is whole");
        let mut second = Vec::new();
        encode(&again, &mut second).expect("within the limits still");
        assert_eq!(written, second, "{frame:?} did not survive the round trip");
        rest = &rest[taken..];
    }
});
