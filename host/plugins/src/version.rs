//! Which of two versions is the newer one.

use std::cmp::Ordering;

/// Compares as semantic versioning does: numbers by value, a pre-release before its release, build metadata not at all.
pub(crate) fn compare(left: &str, right: &str) -> Ordering {
    let parts = |text: &str| -> (Vec<String>, Option<Vec<String>>) {
        let text = text.split('+').next().unwrap_or_default();
        let (numbers, before) = match text.split_once('-') {
            Some((numbers, before)) => (numbers, Some(before)),
            None => (text, None),
        };
        let split = |text: &str| text.split('.').map(str::to_owned).collect();
        (split(numbers), before.map(split))
    };
    let ((left, left_before), (right, right_before)) = (parts(left), parts(right));
    identifiers(&left, &right).then_with(|| match (left_before, right_before) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(left), Some(right)) => identifiers(&left, &right),
    })
}

fn identifiers(left: &[String], right: &[String]) -> Ordering {
    let pairs = left.iter().zip(right).map(|(left, right)| identifier(left, right));
    pairs.fold(Ordering::Equal, Ordering::then).then(left.len().cmp(&right.len()))
}

fn identifier(left: &str, right: &str) -> Ordering {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match (number(left), number(right)) {
        (true, true) => {
            // By length and then by text, since a number may be longer than any machine's.
            let (left, right) = (left.trim_start_matches('0'), right.trim_start_matches('0'));
            left.len().cmp(&right.len()).then_with(|| left.cmp(right))
        }
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => left.cmp(right),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_order() {
        let rising = [
            "0.9.0",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.2",
            "1.0.10",
            "1.10.0",
            "99999999999999999999.0.0",
            "100000000000000000000.0.0",
        ];
        for (at, left) in rising.iter().enumerate() {
            for (other, right) in rising.iter().enumerate() {
                assert_eq!(compare(left, right), at.cmp(&other), "{left} {right}");
            }
        }
        assert_eq!(compare("1.0.0+a", "1.0.0+b"), Ordering::Equal);
        assert_eq!(compare("01.0.0", "1.0.0"), Ordering::Equal);
    }
}
