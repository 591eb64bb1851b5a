//! Patterns for names, compared with one another: `*` is any text, `?` any one character.

use crate::text::visible;

/// A pattern that a grant can hold, or what is wrong with it.
pub(crate) fn read(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 200 || text.chars().any(char::is_control) {
        return Err(format!(
            "\"{}\" is no pattern for names; write a name, such as \"storyteller\", or \"*\" for all",
            visible(text)
        ));
    }
    Ok(text.to_owned())
}

/// Whether every name that `narrow` matches is one that `wide` matches. It may say no where the answer is yes, in
/// contrived cases (`??*` and `?*?`), and never yes where it is no.
pub(crate) fn covers(wide: &str, narrow: &str) -> bool {
    let narrow: Vec<char> = narrow.chars().collect();
    // The characters of the narrow pattern are read as if they were a name, in which `*` and `?` stand for themselves:
    // only `*` may stand against `*`, and only `*` and `?` against `?`.
    let mut reached = vec![true];
    reached.resize(narrow.len() + 1, false);
    for w in wide.chars() {
        let mut next = vec![false; narrow.len() + 1];
        match w {
            '*' => {
                let first = reached.iter().position(|here| *here);
                if let Some(first) = first {
                    next[first..].fill(true);
                }
            }
            _ => {
                for (at, n) in narrow.iter().enumerate() {
                    let fits = *n == w || w == '?' && *n != '*';
                    next[at + 1] = reached[at] && fits;
                }
            }
        }
        reached = next;
    }
    reached.last().copied().unwrap_or(false)
}

/// Whether there is a name that both match.
pub(crate) fn meet(left: &str, right: &str) -> bool {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    // reached[r]: the first l characters of the one and the first r of the other can stand for the same text.
    let mut reached = vec![false; right.len() + 1];
    for l in 0..=left.len() {
        let mut next = vec![false; right.len() + 1];
        for r in 0..=right.len() {
            next[r] = match (l, r) {
                (0, 0) => true,
                _ => {
                    let above = l > 0 && reached[r];
                    let before = r > 0 && next[r - 1];
                    let diagonal = l > 0 && r > 0 && reached[r - 1];
                    let (lc, rc) = (l.checked_sub(1).map(|l| left[l]), r.checked_sub(1).map(|r| right[r]));
                    // A star takes nothing, or one more character of the other.
                    above && (lc == Some('*'))
                        || before && (rc == Some('*'))
                        || diagonal && (lc == rc || [lc, rc].iter().any(|c| matches!(c, Some('*' | '?'))))
                        || before && lc == Some('*')
                        || above && rc == Some('*')
                }
            };
        }
        reached = next;
    }
    reached.last().copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All texts of up to four characters.
    fn texts(letters: &str) -> Vec<String> {
        let mut all = vec![String::new()];
        let mut from = 0;
        for _ in 0..4 {
            let until = all.len();
            for at in from..until {
                let longer: Vec<String> = letters.chars().map(|c| format!("{}{c}", all[at])).collect();
                all.extend(longer);
            }
            from = until;
        }
        all
    }

    /// The plainest matcher that there is.
    fn matches(pattern: &str, name: &str) -> bool {
        let mut rest = pattern.chars();
        match rest.next() {
            None => name.is_empty(),
            Some('*') => {
                let rest = rest.as_str();
                (0..=name.len()).any(|at| matches(rest, &name[at..]))
            }
            Some(c) => {
                let mut name = name.chars();
                name.next().is_some_and(|n| c == '?' || c == n) && matches(rest.as_str(), name.as_str())
            }
        }
    }

    #[test]
    fn compared_with_what_they_match() {
        let names = texts("ab");
        let patterns: Vec<String> = texts("a*?").into_iter().filter(|p| p.len() <= 3).collect();
        for left in &patterns {
            let matched: Vec<_> = names.iter().filter(|name| matches(left, name)).collect();
            for right in &patterns {
                let both = matched.iter().any(|name| matches(right, name));
                assert_eq!(meet(left, right), both, "{left} {right}");
                let inside = matched.iter().all(|name| matches(right, name));
                assert!(!covers(right, left) || inside, "{right} does not cover {left}");
            }
        }
    }

    #[test]
    fn usual_ones() {
        for (wide, narrow) in
            [("*", "a"), ("*", "a-*"), ("a-*", "a-b-*"), ("a-*", "a-?"), ("a", "a"), ("*-q4", "b*-q4")]
        {
            assert!(covers(wide, narrow), "{wide} {narrow}");
        }
        for (wide, narrow) in [("a-*", "*"), ("a", "a*"), ("?", "*"), ("a-*", "b-*"), ("?", "ab")] {
            assert!(!covers(wide, narrow), "{wide} {narrow}");
        }
        assert!(meet("a-*", "*-q4") && !meet("a-*", "b-*"));
    }
}
