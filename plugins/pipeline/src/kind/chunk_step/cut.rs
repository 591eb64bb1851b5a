//! Where to cut a text.

use std::ops::Range;

/// How a text is cut.
pub(super) struct Cut {
    size: usize,
    overlap: usize,
    /// The longest word that is not cut itself, in characters.
    word: usize,
    /// How full a piece has to be, in sixteenths, before no more is tried to get into it: measuring may be dear.
    full: usize,
}

impl Cut {
    /// For a measure that counts characters.
    pub(super) fn exact(size: usize, overlap: usize) -> Self {
        Self { size, overlap, word: size, full: 16 }
    }

    /// For one that counts tokens, of which a character may have four.
    pub(super) fn by_tokens(size: usize, overlap: usize) -> Self {
        Self { size, overlap, word: (size / 4).max(1), full: 15 }
    }

    /// The pieces of a text, none of which measures more than it may.
    pub(super) fn apply<E>(
        &self,
        text: &str,
        mut measure: impl FnMut(&str) -> Result<usize, E>,
    ) -> Result<Vec<Range<usize>>, E> {
        let words = words(text, self.word);
        let range = |from: usize, to: usize| words[from].start..words[to - 1].end;
        let (mut pieces, mut from, mut usual) = (Vec::new(), 0, self.size.div_ceil(4));
        while from < words.len() {
            let fits = self.longest(from, words.len(), usual, |to| measure(&text[range(from, to)]))?;
            let to = best(text, &words, from, fits);
            usual = to - from;
            pieces.push(range(from, to));
            if to == words.len() {
                break;
            }
            from = self.back(from, to, |start| measure(&text[range(start, to)]))?;
        }
        Ok(pieces)
    }

    /// The end of the longest piece that begins at a word, of at least that word. `usual` is how many words one has.
    fn longest<E>(
        &self,
        from: usize,
        end: usize,
        usual: usize,
        mut measure: impl FnMut(usize) -> Result<usize, E>,
    ) -> Result<usize, E> {
        let (mut fits, mut too_long) = (from + 1, end + 1);
        let mut guess = from.saturating_add(usual);
        for attempt in 0.. {
            if too_long - fits <= 1 {
                break;
            }
            let to = guess.clamp(fits + 1, too_long - 1);
            let got = measure(to)?;
            if got > self.size {
                too_long = to;
            } else {
                fits = to;
                if self.full < 16 && got.saturating_mul(16) >= self.size.saturating_mul(self.full) {
                    break;
                }
            }
            guess = match attempt {
                0..4 => from.saturating_add(share(to - from, self.size, got.max(1))),
                _ => fits + (too_long - fits) / 2,
            };
        }
        Ok(fits)
    }

    /// Where the next piece begins: as far back as the overlap reaches, but behind where this one began.
    fn back<E>(
        &self,
        from: usize,
        to: usize,
        mut measure: impl FnMut(usize) -> Result<usize, E>,
    ) -> Result<usize, E> {
        let (mut too_far, mut fits) = (from, to);
        if self.overlap == 0 {
            return Ok(to);
        }
        while fits - too_far > 1 {
            let middle = too_far + (fits - too_far) / 2;
            match measure(middle)? <= self.overlap {
                true => fits = middle,
                false => too_far = middle,
            }
        }
        Ok(fits)
    }
}

/// How many words there would be in `size`, if there are so many in `got`.
fn share(words: usize, size: usize, got: usize) -> usize {
    usize::try_from(words as u64 * size as u64 / got as u64).unwrap_or(usize::MAX)
}

/// The words of a text; those that are too long in pieces.
fn words(text: &str, longest: usize) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    for word in text.split_whitespace() {
        let mut start = word.as_ptr().addr() - text.as_ptr().addr();
        let end = start + word.len();
        while let Some((more, _)) = text[start..end].char_indices().nth(longest) {
            words.push(start..start + more);
            start += more;
        }
        words.push(start..end);
    }
    words
}

/// Where to cut at the latest after `fits` words: in the last quarter, at the end of the largest part.
fn best(text: &str, words: &[Range<usize>], from: usize, fits: usize) -> usize {
    if fits == words.len() {
        return fits;
    }
    let earliest = (from + 1).max(fits - (fits - from) / 4);
    (earliest..=fits).max_by_key(|to| (weight(text, words, *to), *to)).unwrap_or(fits)
}

/// How large the part is that ends before a word.
fn weight(text: &str, words: &[Range<usize>], to: usize) -> u8 {
    let gap = &text[words[to - 1].end..words[to].start];
    match gap.matches('\n').count() {
        0 if gap.is_empty() => 0,
        0 if text[words[to - 1].clone()].ends_with(['.', '!', '?', '…', '。']) => 2,
        0 => 1,
        1 => 3,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, size: usize, overlap: usize) -> Vec<&str> {
        let count = |text: &str| Ok::<_, ()>(text.chars().count());
        let pieces = Cut::exact(size, overlap).apply(text, count).unwrap();
        pieces.into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn pieces_end_at_white_space_and_are_as_long_as_can_be() {
        assert_eq!(cut("  aa bb  cc\ndd ", 5, 0), ["aa bb", "cc\ndd"]);
        assert_eq!(cut("aa bb cc dd", 6, 0), ["aa bb", "cc dd"]);
        assert_eq!(cut("aa", 2, 0), ["aa"]);
        assert!(cut(" \n", 2, 0).is_empty());
        assert_eq!(cut("aaaaaaa b", 3, 0), ["aaa", "aaa", "a b"]);
        assert_eq!(cut("äöü äöü", 4, 0), ["äöü", "äöü"]);
    }

    #[test]
    fn what_is_at_the_end_comes_again() {
        assert_eq!(cut("a b c d e f g", 5, 3), ["a b c", "b c d", "c d e", "d e f", "e f g"]);
        assert_eq!(cut("a b c d e f g", 7, 3), ["a b c d", "c d e f", "e f g"]);
    }

    #[test]
    fn the_end_of_a_paragraph_is_preferred_to_that_of_a_sentence() {
        let text = "One two three four five six.\n\nSeven eight. Nine ten eleven twelve";
        assert_eq!(cut(text, 36, 0)[0], "One two three four five six.");
        assert_eq!(cut(text, 47, 0)[0], "One two three four five six.\n\nSeven eight.");
        assert_eq!(cut("One two three four. Five six seven", 27, 0)[0], "One two three four.");
    }

    #[test]
    fn nothing_is_lost_and_nothing_is_too_long() {
        let text: String =
            (0..3000).map(|n| format!("{}{}", n * 7919 % 10_007, [" ", "\n", ". ", "\n\n"][n % 4])).collect();
        for (size, overlap) in [(7, 0), (50, 0), (50, 20), (1000, 999), (100_000, 5)] {
            for full in [16, 15] {
                let mut calls = 0;
                let measure = |text: &str| {
                    calls += 1;
                    Ok::<_, ()>(text.chars().count())
                };
                let cutter = Cut { full, ..Cut::exact(size, overlap) };
                let pieces = cutter.apply(&text, measure).unwrap();
                assert!(pieces.iter().all(|piece| piece.len() <= size));
                assert!(pieces.is_sorted_by(|a, b| a.start < b.start && a.end <= b.end));
                let gaps =
                    pieces.windows(2).map(|two| two[0].end..two[1].start).filter(|gap| !gap.is_empty());
                assert!(gaps.into_iter().all(|gap| text[gap].trim().is_empty()));
                assert_eq!(pieces.last().unwrap().end, text.trim_end().len());
                assert!(calls <= pieces.len() * 24, "{calls} for {} pieces of {size}", pieces.len());
            }
        }
    }
}
