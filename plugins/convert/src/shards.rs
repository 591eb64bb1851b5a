//! Models in several files, as llama.cpp names and fills them.

use inferno_formats::gguf::Tensor;

/// One file of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    stem: String,
    /// From 1.
    pub(crate) number: u64,
    /// How many there are.
    pub(crate) count: u64,
}

impl Shard {
    /// What a name says, such as `story-00001-of-00003.gguf`.
    pub(crate) fn of(name: &str) -> Option<Self> {
        let name = name.strip_suffix(".gguf")?;
        let (rest, count) = name.rsplit_once("-of-")?;
        let (stem, number) = rest.rsplit_once('-')?;
        let read = |digits: &str| {
            let whole = digits.len() == 5 && digits.bytes().all(|digit| digit.is_ascii_digit());
            whole.then(|| digits.parse().ok()).flatten()
        };
        let (number, count) = (read(number)?, read(count)?);
        (number > 0 && number <= count).then(|| Self { stem: stem.to_owned(), number, count })
    }

    /// What all of them are called after.
    pub(crate) fn stem(&self) -> &str {
        &self.stem
    }

    /// The names of all files of which it is one.
    pub(crate) fn all(&self) -> Vec<String> {
        names(&self.stem, self.count)
    }
}

/// The names of so many files.
pub(crate) fn names(stem: &str, count: u64) -> Vec<String> {
    (1..=count).map(|number| format!("{stem}-{number:05}-of-{count:05}.gguf")).collect()
}

/// How many of the tensors, in their order, go into each file, so that none has more than `most` bytes of them, unless it is
/// of a single tensor.
pub(crate) fn deal(tensors: &[Tensor], most: u64) -> Vec<usize> {
    let (mut counts, mut count, mut bytes) = (Vec::new(), 0, 0_u64);
    for tensor in tensors {
        if count > 0 && bytes.saturating_add(tensor.bytes) > most {
            counts.push(std::mem::take(&mut count));
            bytes = 0;
        }
        count += 1;
        bytes = bytes.saturating_add(tensor.bytes.next_multiple_of(inferno_formats::gguf::ALIGNMENT));
    }
    counts.push(count);
    counts
}

#[cfg(test)]
mod tests {
    use inferno_formats::gguf::TensorType;

    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        let shard = Shard::of("a-b-00002-of-00003.gguf").unwrap();
        assert_eq!((shard.number, shard.count), (2, 3));
        assert_eq!(
            shard.all(),
            ["a-b-00001-of-00003.gguf", "a-b-00002-of-00003.gguf", "a-b-00003-of-00003.gguf"]
        );
        for name in [
            "a.gguf",
            "a-1-of-2.gguf",
            "a-00003-of-00002.gguf",
            "a-00000-of-00002.gguf",
            "a-00001-of-00002.bin",
        ] {
            assert_eq!(Shard::of(name), None, "{name}");
        }
    }

    #[test]
    fn files_are_filled_in_order() {
        let kind = TensorType::from_name("F32").unwrap();
        let tensor = |numbers: u64| Tensor::new("t", &[numbers], kind, 0).unwrap();
        let tensors = [tensor(8), tensor(8), tensor(100), tensor(8), tensor(8)];
        assert_eq!(deal(&tensors, 64), [2, 1, 2]);
        assert_eq!(deal(&tensors, 1), [1, 1, 1, 1, 1]);
        assert_eq!(deal(&tensors, 1 << 20), [5]);
        assert_eq!(deal(&[], 1), [0]);
    }
}
