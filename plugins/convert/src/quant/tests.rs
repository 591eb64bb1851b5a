use super::Encoding;
use super::check::finite;
use super::decode::decode;
use super::encode::encode;

/// Numbers that look random and are the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// From -1 to 1.
    fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    /// As weights of models are distributed, nearly.
    fn weight(&mut self) -> f32 {
        (0..6).map(|_| self.unit()).sum::<f32>() * 0.015
    }
}

fn weights(count: usize) -> Vec<f32> {
    let mut random = Random(88_172_645_463_325_252);
    (0..count).map(|_| random.weight()).collect()
}

fn written() -> impl Iterator<Item = Encoding> {
    Encoding::all().filter(|encoding| *encoding != Encoding::F64)
}

fn pack(encoding: Encoding, values: &[f32]) -> Vec<u8> {
    let mut bytes = vec![0xa5; encoding.bytes(values.len()).unwrap()];
    encode(encoding, values, &mut bytes).unwrap();
    bytes
}

fn unpack(encoding: Encoding, bytes: &[u8], count: usize) -> Vec<f32> {
    let mut values = vec![f32::NAN; count];
    decode(encoding, bytes, &mut values).unwrap();
    values
}

/// FNV-1a.
fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |digest, byte| {
        (digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[test]
fn numbers_come_back_as_exactly_as_their_bits_allow() {
    let values = weights(4096);
    let power =
        |values: &mut dyn Iterator<Item = f32>| values.map(|value| f64::from(value).powi(2)).sum::<f64>();
    let all = power(&mut values.iter().copied());
    for (encoding, most) in [
        (Encoding::F32, 0.0),
        (Encoding::F16, 3e-4),
        (Encoding::BF16, 3e-3),
        (Encoding::Q8_0, 7e-3),
        (Encoding::Q6K, 2.5e-2),
        (Encoding::Q5_1, 4e-2),
        (Encoding::Q5K, 4e-2),
        (Encoding::Q5_0, 5e-2),
        (Encoding::Q4K, 8e-2),
        (Encoding::Q4_1, 8e-2),
        (Encoding::Q4_0, 0.1),
        (Encoding::Q3K, 0.19),
        (Encoding::Q2K, 0.37),
    ] {
        let back = unpack(encoding, &pack(encoding, &values), values.len());
        let off = power(&mut values.iter().zip(back).map(|(value, back)| value - back));
        let relative = (off / all).sqrt();
        assert!(relative <= most && relative >= most / 2.0, "{}: {relative}", encoding.name());
    }
}

/// These are llama.cpp's bytes too: the backend that has it in compares them. Here they hold on every machine.
#[test]
fn bytes_are_the_same_everywhere() {
    let mut values = weights(2048);
    values.extend(weights(512).iter().map(|value| value * 1e-41));
    values.extend(weights(512).iter().map(|value| value.abs() * 1e4));
    values.extend([0.0, -0.0, 1.0, -1.0].repeat(64));
    values.extend([-0.25; 256]);
    let digests: Vec<(&str, u64)> =
        written().map(|encoding| (encoding.name(), digest(&pack(encoding, &values)))).collect();
    let expected = [
        ("F32", 0xb865_6318_351b_2b89),
        ("F16", 0x1905_f240_045b_a970),
        ("BF16", 0x93ec_c0aa_f1ed_95f4),
        ("Q4_0", 0xd768_6a69_735e_c791),
        ("Q4_1", 0xb5f8_bc7d_2210_fe20),
        ("Q5_0", 0xaa43_6c00_5e00_fb20),
        ("Q5_1", 0xd8c4_7e69_c6cb_f146),
        ("Q8_0", 0x9718_0415_d6a0_3822),
        ("Q2_K", 0x1803_599c_16b9_936b),
        ("Q3_K", 0x993b_0e75_c3dc_e172),
        ("Q4_K", 0x830f_ce0e_b478_4ffd),
        ("Q5_K", 0xe0b6_6db8_b170_6381),
        ("Q6_K", 0xfdb0_41d7_440c_0ac3),
    ];
    assert_eq!(digests, expected);
}

#[test]
fn zeros_stay_zeros() {
    for encoding in written() {
        let back = unpack(encoding, &pack(encoding, &[0.0; 512]), 512);
        assert!(back.iter().all(|value| *value == 0.0), "{}", encoding.name());
        assert_eq!(finite(encoding, &pack(encoding, &[0.0; 512])), Ok(()));
    }
}

#[test]
fn blocks_know_nothing_of_their_neighbours() {
    let values = weights(1024);
    for encoding in written() {
        let whole = pack(encoding, &values);
        let parts: Vec<u8> = values.chunks(256).flat_map(|part| pack(encoding, part)).collect();
        assert!(whole == parts, "{}", encoding.name());
    }
}

#[test]
fn lengths_that_do_not_fit_are_refused() {
    let refused = encode(Encoding::Q4K, &[0.0; 32], &mut [0; 18]).unwrap_err();
    assert_eq!(refused.to_string(), "32 numbers are no whole number of Q4_K's blocks of 256");
    let refused = decode(Encoding::Q8_0, &[0; 33], &mut [0.0; 32]).unwrap_err();
    assert_eq!(refused.to_string(), "32 numbers of Q8_0 take 34 bytes, and there are 33");
    let refused = encode(Encoding::F64, &[0.0], &mut [0; 8]).unwrap_err();
    assert_eq!(refused.to_string(), "F64 is read only: choose another encoding to write");
    assert_eq!(unpack(Encoding::F64, &1.1f64.to_le_bytes(), 1), [1.1]);
}

#[test]
fn what_is_infinite_or_no_number_is_found() {
    let wrong = |encoding: Encoding, at: usize, value: f32| {
        let mut values = vec![0.5; 512];
        values[at] = value;
        finite(encoding, &pack(encoding, &values)).map_err(|wrong| wrong.number)
    };
    for encoding in written() {
        // Half precision ends at 65,504, and with it scales do.
        let too_large = if encoding.is_quantized() { 1e9 } else { f32::INFINITY };
        let block = 300 - 300 % encoding.block();
        assert_eq!(wrong(encoding, 300, too_large), Err(block), "{}", encoding.name());
        assert_eq!(wrong(encoding, 300, 7.0), Ok(()), "{}", encoding.name());
    }
    for encoding in [Encoding::F32, Encoding::F16, Encoding::BF16] {
        assert_eq!(wrong(encoding, 511, f32::NAN), Err(511), "{}", encoding.name());
    }
    assert_eq!(finite(Encoding::F64, &f64::NEG_INFINITY.to_le_bytes()).map_err(|wrong| wrong.number), Err(0));
    assert_eq!(wrong(Encoding::Q8_0, 40, 127.0 * 65_520.0), Err(32));
    assert_eq!(wrong(Encoding::F32, 40, 127.0 * 65_520.0), Ok(()));
}
