//! Finds e-mail addresses in text that arrives in pieces.

use std::collections::VecDeque;
use std::ops::Range;

/// What stands in the place of an address.
pub(crate) const MASK: &str = "[e-mail]";

/// The most bytes of a local part, of a label, and of a domain (RFC 5321 and 1035). They bound what is held back.
const LOCAL: usize = 64;
const LABEL: usize = 63;
const DOMAIN: usize = 253;

/// The text with every address masked; `None`: there is none.
pub(crate) fn mask(text: &str) -> Option<String> {
    let mut scanner = Scanner::default();
    // Only what is near an at sign needs a look.
    while let Some(distance) = text[scanner.position..].find('@') {
        let sign = scanner.position + distance;
        let near = text.floor_char_boundary(sign.saturating_sub(LOCAL));
        if near > scanner.position {
            scanner = Scanner { position: near, state: State::Outside, found: scanner.found };
        }
        for c in text[scanner.position..].chars() {
            scanner.next(c);
            if scanner.position > sign && matches!(scanner.state, State::Outside | State::Local(_)) {
                break;
            }
        }
    }
    scanner.finish();
    scanner.apply(0, text)
}

/// Goes over a text once, whatever the pieces in which it comes. Positions are bytes from its beginning.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    position: usize,
    state: State,
    /// The addresses whose end is known.
    found: VecDeque<Range<usize>>,
}

#[derive(Debug, Default)]
enum State {
    /// What came last cannot be part of an address.
    #[default]
    Outside,
    /// In what could be a local part and began here.
    Local(usize),
    /// After an at sign.
    Domain(Domain),
    /// In an address that may go on. What follows its end is a dot or hyphen of which it is not known yet whether more
    /// of the domain comes after it.
    Address(Range<usize>),
}

#[derive(Debug)]
struct Domain {
    /// Where the local part begins.
    local: usize,
    /// Where the domain begins.
    from: usize,
    /// Bytes of the label until now.
    label: usize,
    /// The label begins with a letter, and there is one before it.
    top: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// A letter, with whether it is one, or a digit.
    Word {
        letter: bool,
    },
    /// In local parts and domains, but not at the beginning of a local part.
    Dot,
    Hyphen,
    /// In local parts only.
    Underscore,
    Sign,
    At,
    Other,
}

fn class(c: char) -> Class {
    match c {
        'a'..='z' | 'A'..='Z' => Class::Word { letter: true },
        '0'..='9' => Class::Word { letter: false },
        '.' => Class::Dot,
        '-' => Class::Hyphen,
        '_' => Class::Underscore,
        '%' | '+' => Class::Sign,
        '@' => Class::At,
        // Accented Latin letters. Other scripts are written without spaces, so that what stands before an address
        // would be taken for a part of it.
        '\u{c0}'..='\u{24f}' if !matches!(c, '×' | '÷') => Class::Word { letter: true },
        _ => Class::Other,
    }
}

impl Scanner {
    /// Takes the next piece.
    pub(crate) fn feed(&mut self, text: &str) {
        text.chars().for_each(|c| self.next(c));
    }

    fn next(&mut self, c: char) {
        self.step(class(c), self.position, c.len_utf8());
        self.position += c.len_utf8();
    }

    /// The text has ended, or what follows does not belong to it.
    pub(crate) fn finish(&mut self) {
        self.become_state(State::Outside);
    }

    /// How long the text is until now.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// What comes before this is decided.
    pub(crate) fn settled(&self) -> usize {
        match &self.state {
            State::Outside => self.position,
            State::Local(from) => self.local_part(*from),
            State::Domain(domain) => domain.local,
            State::Address(range) => range.end,
        }
    }

    /// A piece of the text that begins at `from` and is settled, with addresses masked; `None`: it has none.
    /// The mask stands where an address begins.
    pub(crate) fn apply(&self, from: usize, text: &str) -> Option<String> {
        let open = match &self.state {
            State::Address(range) => Some(range),
            _ => None,
        };
        let until = from + text.len();
        let mut masked: Option<String> = None;
        let mut done = 0;
        for range in self.found.iter().chain(open).filter(|range| range.start < until && range.end > from) {
            let masked = masked.get_or_insert_default();
            // A long local part may begin inside of a character.
            let start = text.floor_char_boundary(range.start.saturating_sub(from));
            masked.push_str(&text[done..start]);
            if range.start >= from {
                masked.push_str(MASK);
            }
            done = (range.end - from).min(text.len());
        }
        masked.map(|masked| masked + &text[done..])
    }

    /// What comes before this will not be asked for any more.
    pub(crate) fn forget(&mut self, before: usize) {
        while self.found.front().is_some_and(|range| range.end <= before) {
            self.found.pop_front();
        }
    }

    fn local_part(&self, from: usize) -> usize {
        from.max(self.position.saturating_sub(LOCAL))
    }

    fn become_state(&mut self, next: State) {
        if let State::Address(range) = std::mem::replace(&mut self.state, next) {
            self.found.push_back(range);
        }
    }

    fn step(&mut self, class: Class, at: usize, length: usize) {
        match &mut self.state {
            State::Outside => {
                if matches!(class, Class::Word { .. } | Class::Underscore) {
                    self.state = State::Local(at);
                }
            }
            State::Local(from) => match class {
                Class::At => {
                    let local = from.max(&mut at.saturating_sub(LOCAL)).to_owned();
                    self.state = State::Domain(Domain { local, from: at + length, label: 0, top: false });
                }
                Class::Other => self.state = State::Outside,
                _ => {}
            },
            State::Domain(domain) => {
                let from = domain.from;
                let first = domain.label == 0;
                let goes_on = match class {
                    Class::Word { letter } => {
                        domain.top = if first { letter && at > from } else { domain.top };
                        domain.label += length;
                        true
                    }
                    Class::Hyphen => {
                        domain.top &= !first;
                        domain.label += length;
                        true
                    }
                    Class::Dot if !first => {
                        domain.label = 0;
                        true
                    }
                    _ => false,
                };
                if goes_on && domain.label <= LABEL && at + length - from <= DOMAIN {
                    let word = matches!(class, Class::Word { .. });
                    if word && domain.top && !first {
                        self.state = State::Address(domain.local..at + length);
                    }
                    return;
                }
                // It was no address, but what follows the at sign may be the local part of one.
                self.state = if at > from { State::Local(from) } else { State::Outside };
                self.step(class, at, length);
            }
            State::Address(range) => match class {
                Class::Word { .. } => range.end = at + length,
                Class::Dot | Class::Hyphen if range.end == at => {}
                _ => {
                    self.become_state(State::Outside);
                    self.step(class, at, length);
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(text: &str) -> String {
        mask(text).unwrap_or_else(|| text.to_owned())
    }

    #[test]
    fn addresses_are_masked_and_nothing_else() {
        let check = |text: &str, expect: &str| assert_eq!(masked(text), expect, "{text}");
        check("jo@example.com", "[e-mail]");
        check("Write to jo.doe+x@mail.example.co.uk.", "Write to [e-mail].");
        check("<jo@example.com>, <ann@example.org>", "<[e-mail]>, <[e-mail]>");
        check("jürgen@müller.example", "[e-mail]");
        check("请联系bob@example.com获取", "请联系[e-mail]获取");
        check("...jo@example.com...", "...[e-mail]...");
        check("-jo@example.com-", "-[e-mail]-");
        check("a@b@example.com", "a@[e-mail]");
        check("a@b_c@example.com", "a@[e-mail]");
        check("a@x.com@y.com", "[e-mail]@y.com");
        check("a@x.com_b@y.com", "[e-mail][e-mail]");
        check("mailto:jo@example.com?subject=x", "mailto:[e-mail]?subject=x");
        for text in [
            "",
            "@",
            "a@",
            "@example.com",
            "a@b",
            "a@b.c",
            "a@b.1x",
            "a @example.com",
            "a@ example.com",
            "a@@b.com",
            "a@.com",
            "a@b..com",
            "5@3.50",
            "@jo and @ann",
        ] {
            check(text, text);
        }
    }

    #[test]
    fn what_is_too_long_for_an_address_is_none() {
        let long = "x".repeat(100);
        assert_eq!(masked(&format!("{long}@example.com")), format!("{}[e-mail]", "x".repeat(36)));
        assert_eq!(masked(&format!("é{}@example.com", "x".repeat(63))), "[e-mail]", "cut inside é");
        let text = format!("jo@{long}.com");
        assert_eq!(masked(&text), text);
        let text = format!("jo@{}com", "x.".repeat(130));
        assert_eq!(masked(&text), text);
    }

    #[test]
    fn little_is_held_back() {
        let mut scanner = Scanner::default();
        let mut held = |text: &str| {
            scanner.feed(text);
            scanner.position() - scanner.settled()
        };
        assert_eq!(held("Write to "), 0);
        assert_eq!(held("jo"), 2);
        assert_eq!(held("@example"), 10);
        assert_eq!(held(".com"), 0, "it is an address already");
        assert_eq!(held("."), 1);
        assert_eq!(held(" "), 0);
        assert_eq!(held(&"x".repeat(1000)), LOCAL);
        assert!(held(&format!("@{}", "x.".repeat(1000))) <= LOCAL + 1 + DOMAIN);
    }

    #[test]
    fn the_pieces_do_not_matter() {
        let text = "To jo.doe@mail.example.com. or é@x.de, a@b@c.io-x.. or 5@3";
        let whole = masked(text);
        for cut in (0..=text.len()).filter(|cut| text.is_char_boundary(*cut)) {
            let (first, second) = text.split_at(cut);
            let mut scanner = Scanner::default();
            scanner.feed(first);
            scanner.feed(second);
            scanner.finish();
            let apply = |from, text: &str| scanner.apply(from, text).unwrap_or_else(|| text.to_owned());
            assert_eq!(apply(0, first) + &apply(cut, second), whole, "cut at {cut}");
        }
    }
}
