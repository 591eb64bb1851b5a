//! Looks at a grammar before llama.cpp does.
//!
//! llama.cpp prints grammars that it cannot read, overlooks some that make it loop until memory is full, and needs
//! time without end for others. So grammars are read here first, in the same way, and those are refused.

use std::collections::HashMap;

/// Bytes of a grammar.
const LONGEST: usize = 512 << 10;
/// Parentheses inside of each other.
const DEEPEST: usize = 100;
/// Rules, those that repetitions become included.
const MOST_RULES: usize = 20_000;
/// Elements of all rules.
const MOST_ELEMENTS: usize = 500_000;
/// Rules that begin with each other.
const LONGEST_CHAIN: usize = 500;
/// Ways in which a rule may begin, which llama.cpp all follows.
const MOST_WAYS: u64 = 50_000;
/// llama.cpp's own limit.
const MOST_TIMES: u64 = 2_000;

/// What an alternative consists of.
#[derive(Clone, Copy, Debug)]
enum Element {
    /// At least one character or token.
    Some,
    /// Whatever that rule is.
    Rule(usize),
}

#[derive(Debug, Default)]
struct Rule {
    name: String,
    /// Absent: not defined.
    alternatives: Option<Vec<Vec<Element>>>,
}

/// Refuses a grammar that cannot be read or used, and says why.
pub(crate) fn check(text: &str) -> Result<(), String> {
    if text.len() > LONGEST {
        return Err(format!("it has {} bytes, but must have at most {LONGEST}", text.len()));
    }
    if text.contains('\0') {
        return Err("it contains a zero byte".into());
    }
    let rules = Reader { text, at: 0, rules: Vec::new(), names: HashMap::new(), elements: 0 }.read()?;
    Graph::of(&rules).check(&rules)
}

/// Reads a grammar from its text.
struct Reader<'a> {
    text: &'a str,
    at: usize,
    rules: Vec<Rule>,
    names: HashMap<&'a str, usize>,
    elements: usize,
}

impl<'a> Reader<'a> {
    fn read(mut self) -> Result<Vec<Rule>, String> {
        self.space(true);
        while !self.rest().is_empty() {
            self.rule()?;
        }
        if !self.names.contains_key("root") {
            return Err("it has no rule named root, with which an answer begins".into());
        }
        match self.rules.iter().find(|rule| rule.alternatives.is_none()) {
            Some(rule) => Err(format!("the rule {} is not defined", rule.name)),
            None => Ok(self.rules),
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn next(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn wrong(&self, what: &str) -> String {
        let line = self.text.get(..self.at).unwrap_or_default().matches('\n').count() + 1;
        let found: String = self.rest().chars().take_while(|&char| char != '\n').take(20).collect();
        if found.is_empty() {
            format!("line {line}: {what}")
        } else {
            format!("line {line}: {what} at {found:?}")
        }
    }

    /// Skips white space and comments.
    fn space(&mut self, lines: bool) {
        while let Some(char) = self.next() {
            match char {
                ' ' | '\t' => self.at += 1,
                '\r' | '\n' if lines => self.at += 1,
                '#' => self.at += self.rest().find(['\r', '\n']).unwrap_or(self.rest().len()),
                _ => break,
            }
        }
    }

    fn take(&mut self, wanted: &str) -> bool {
        let found = self.rest().starts_with(wanted);
        if found {
            self.at += wanted.len();
        }
        found
    }

    fn while_chars(&mut self, matches: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|char| !matches(char)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    fn new_rule(&mut self, name: &str, alternatives: Option<Vec<Vec<Element>>>) -> Result<usize, String> {
        if self.rules.len() >= MOST_RULES {
            return Err(format!(
                "it has more than {MOST_RULES} rules, those that repetitions become included"
            ));
        }
        self.rules.push(Rule { name: name.into(), alternatives });
        Ok(self.rules.len() - 1)
    }

    fn named(&mut self, name: &'a str) -> Result<usize, String> {
        if let Some(&rule) = self.names.get(name) {
            return Ok(rule);
        }
        let rule = self.new_rule(name, None)?;
        self.names.insert(name, rule);
        Ok(rule)
    }

    fn rule(&mut self) -> Result<(), String> {
        let name = self.while_chars(is_name);
        if name.is_empty() {
            return Err(self.wrong("there is no name of a rule"));
        }
        let rule = self.named(name)?;
        self.space(false);
        if !self.take("::=") {
            return Err(self.wrong(&format!("there is no ::= behind the name {name}")));
        }
        self.space(true);
        let alternatives = self.alternatives(0)?;
        if let Some(rule) = self.rules.get_mut(rule) {
            rule.alternatives = Some(alternatives);
        }
        if !matches!(self.next(), None | Some('\r' | '\n')) {
            return Err(self.wrong("this does not belong into a rule"));
        }
        self.space(true);
        Ok(())
    }

    fn alternatives(&mut self, depth: usize) -> Result<Vec<Vec<Element>>, String> {
        if depth > DEEPEST {
            return Err(self.wrong("there are too many parentheses inside of each other"));
        }
        let mut alternatives = vec![self.sequence(depth)?];
        while self.take("|") {
            self.space(true);
            alternatives.push(self.sequence(depth)?);
        }
        Ok(alternatives)
    }

    fn sequence(&mut self, depth: usize) -> Result<Vec<Element>, String> {
        let nested = depth > 0;
        let mut sequence = Vec::new();
        let mut last = 0;
        let mut weight = 1;
        while let Some(char) = self.next() {
            if !matches!(char, '*' | '+' | '?' | '{') {
                weight = 1;
            }
            match char {
                '"' => {
                    last = sequence.len();
                    self.at += 1;
                    let before = self.at;
                    while !self.take("\"") {
                        self.character()?;
                    }
                    if self.at > before + 1 {
                        sequence.push(Element::Some);
                    }
                }
                '[' => {
                    last = sequence.len();
                    self.at += 1;
                    self.take("^");
                    let before = self.at;
                    while !self.take("]") {
                        self.character()?;
                        if self.rest().starts_with('-') && !self.rest().starts_with("-]") {
                            self.at += 1;
                            self.character()?;
                        }
                    }
                    if self.at > before + 1 {
                        sequence.push(Element::Some);
                    }
                }
                '.' => {
                    last = sequence.len();
                    self.at += 1;
                    sequence.push(Element::Some);
                }
                '<' | '!' => {
                    last = sequence.len();
                    self.take("!");
                    let end = if self.next() == Some('<') { self.rest().find('>') } else { None };
                    self.at += 1 + end.ok_or_else(|| self.wrong("there is no token such as <[7]>"))?;
                    sequence.push(Element::Some);
                }
                '(' => {
                    last = sequence.len();
                    self.at += 1;
                    self.space(true);
                    let before = self.rules.len();
                    let inner = self.alternatives(depth + 1)?;
                    weight = (self.rules.len() - before + 1) as u64;
                    if !self.take(")") {
                        return Err(self.wrong("a ) is missing"));
                    }
                    sequence.push(Element::Rule(self.new_rule("", Some(inner))?));
                }
                '*' | '+' | '?' | '{' => self.repeat(&mut sequence, last, &mut weight)?,
                _ if is_name(char) => {
                    last = sequence.len();
                    let name = self.while_chars(is_name);
                    sequence.push(Element::Rule(self.named(name)?));
                }
                _ => break,
            }
            self.space(nested);
        }
        self.elements += sequence.len();
        if self.elements > MOST_ELEMENTS {
            return Err("it is too large, its repetitions counted".into());
        }
        Ok(sequence)
    }

    /// One character of a text or a class, which may be escaped.
    fn character(&mut self) -> Result<(), String> {
        match self.next() {
            None => Err(self.wrong("a text or a class of characters has no end")),
            Some('\\') => {
                let rest = self.rest();
                let digits = match rest.chars().nth(1) {
                    Some('x') => 2,
                    Some('u') => 4,
                    Some('U') => 8,
                    Some('t' | 'r' | 'n' | '\\' | '"' | '[' | ']' | '-') => 0,
                    _ => return Err(self.wrong("there is an unknown escape")),
                };
                let hex = rest.get(2..2 + digits).unwrap_or_default();
                if hex.len() != digits || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                    return Err(self.wrong(&format!("there are no {digits} hexadecimal digits")));
                }
                self.at += 2 + digits;
                Ok(())
            }
            Some(char) => {
                self.at += char.len_utf8();
                Ok(())
            }
        }
    }

    /// A repetition of what begins at `last`, written out as llama.cpp does.
    fn repeat(&mut self, sequence: &mut Vec<Element>, last: usize, weight: &mut u64) -> Result<(), String> {
        let repeated = sequence.get(last..).unwrap_or_default().to_vec();
        if repeated.is_empty() {
            return Err(self.wrong("there is nothing to repeat"));
        }
        let (least, most) = self.times()?;
        *weight = weight.saturating_mul(most.filter(|&most| most > 0).unwrap_or(least).max(1));
        if *weight > MOST_TIMES {
            return Err(self.wrong("too much is repeated too often"));
        }
        sequence.truncate(last);
        for _ in 0..least {
            sequence.extend(&repeated);
        }
        if sequence.len() > MOST_ELEMENTS {
            return Err(self.wrong("there are too many repetitions"));
        }
        let mut optional = None;
        match most {
            None => {
                let rule = self.new_rule("", None)?;
                let again = [repeated.as_slice(), &[Element::Rule(rule)]].concat();
                if let Some(rule) = self.rules.get_mut(rule) {
                    rule.alternatives = Some(vec![again, Vec::new()]);
                }
                optional = Some(rule);
            }
            Some(most) => {
                for _ in least..most {
                    let next: Vec<Element> = optional.map(Element::Rule).into_iter().collect();
                    let more = [repeated.as_slice(), &next].concat();
                    self.elements += more.len();
                    optional = Some(self.new_rule("", Some(vec![more, Vec::new()]))?);
                }
            }
        }
        sequence.extend(optional.map(Element::Rule));
        Ok(())
    }

    /// How often: at least and at most.
    fn times(&mut self) -> Result<(u64, Option<u64>), String> {
        if self.take("*") {
            return Ok((0, None));
        }
        if self.take("+") {
            return Ok((1, None));
        }
        if self.take("?") {
            return Ok((0, Some(1)));
        }
        self.take("{");
        self.space(true);
        let least = self.number()?.ok_or_else(|| self.wrong("there is no number of repetitions"))?;
        let mut most = Some(least);
        self.space(true);
        if self.take(",") {
            self.space(true);
            most = self.number()?;
            self.space(true);
        }
        if !self.take("}") {
            return Err(self.wrong("a } is missing"));
        }
        if least > MOST_TIMES {
            return Err(self.wrong(&format!("there are more than {MOST_TIMES} repetitions")));
        }
        if most.is_some_and(|most| most < least) {
            return Err(self.wrong("the most repetitions are less than the least"));
        }
        Ok((least, most.filter(|&most| most <= MOST_TIMES)))
    }

    fn number(&mut self) -> Result<Option<u64>, String> {
        let digits = self.while_chars(|char| char.is_ascii_digit());
        if digits.is_empty() {
            return Ok(None);
        }
        digits.parse().map(Some).map_err(|_| self.wrong("a number is too great"))
    }
}

fn is_name(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '-'
}

/// Which rules others may begin with.
struct Graph {
    /// For each rule: another one that it may begin with, and whether something follows that.
    begins: Vec<Vec<(usize, bool)>>,
}

impl Graph {
    fn of(rules: &[Rule]) -> Self {
        let empty = empty_rules(rules);
        let begins = rules.iter().map(|rule| {
            let mut begins = Vec::new();
            for alternative in rule.alternatives.iter().flatten() {
                for (index, element) in alternative.iter().enumerate() {
                    let Element::Rule(other) = *element else { break };
                    begins.push((other, index + 1 < alternative.len()));
                    if !empty.get(other).copied().unwrap_or(false) {
                        break;
                    }
                }
            }
            begins
        });
        Self { begins: begins.collect() }
    }

    fn after(&self, rule: usize) -> &[(usize, bool)] {
        self.begins.get(rule).map_or(&[], Vec::as_slice)
    }

    fn check(&self, rules: &[Rule]) -> Result<(), String> {
        let name = |rule: usize| match rules.get(rule).map(|rule| rule.name.as_str()) {
            None | Some("") => "a repetition or parenthesis".to_owned(),
            Some(name) => format!("the rule {name}"),
        };
        let order = self.order();
        let mut place = vec![usize::MAX; order.len()];
        order.iter().enumerate().for_each(|(at, &rule)| place[rule] = at);
        let mut ways = vec![1_u64; order.len()];
        let mut chain = vec![1_usize; order.len()];
        // What a rule begins with comes before it, unless they begin with each other.
        for &rule in &order {
            for &(other, followed) in self.after(rule) {
                if place[other] >= place[rule] {
                    if other == rule && !followed {
                        continue; // an empty repetition, which ends where it began
                    }
                    return Err(format!("{} begins with itself", name(rule)));
                }
                ways[rule] = ways[rule].saturating_add(ways[other]);
                chain[rule] = chain[rule].max(chain[other] + 1);
            }
            if ways[rule] > MOST_WAYS || chain[rule] > LONGEST_CHAIN {
                return Err(format!("{} may begin in too many ways", name(rule)));
            }
        }
        Ok(())
    }

    /// All rules, each behind those that it may begin with where that is possible.
    fn order(&self) -> Vec<usize> {
        let mut order = Vec::with_capacity(self.begins.len());
        let mut seen = vec![false; self.begins.len()];
        let mut open = Vec::new();
        for start in 0..self.begins.len() {
            if std::mem::replace(&mut seen[start], true) {
                continue;
            }
            open.push((start, 0));
            while let Some((rule, index)) = open.last_mut() {
                match self.after(*rule).get(*index) {
                    Some(&(other, _)) => {
                        *index += 1;
                        if !std::mem::replace(&mut seen[other], true) {
                            open.push((other, 0));
                        }
                    }
                    None => {
                        order.push(*rule);
                        open.pop();
                    }
                }
            }
        }
        order
    }
}

/// The rules that may be nothing at all.
fn empty_rules(rules: &[Rule]) -> Vec<bool> {
    let mut empty = vec![false; rules.len()];
    loop {
        let mut changed = false;
        for (index, rule) in rules.iter().enumerate() {
            let is_empty = |element: &Element| matches!(element, Element::Rule(other) if empty[*other]);
            if !empty[index]
                && rule.alternatives.iter().flatten().any(|alternative| alternative.iter().all(is_empty))
            {
                empty[index] = true;
                changed = true;
            }
        }
        if !changed {
            return empty;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_grammars_pass() {
        for grammar in [
            "root ::= \"yes\" | \"no\"",
            "# a comment\nroot ::= item+ # another\nitem ::= \"- \" [^\\n]{1,20} \"\\n\"\n",
            "root ::= (\n  \"a\" |\n  \"b\"\n){2,3} tail\ntail ::= \"\"",
            "root ::= <[5]> !<[6]>* <think> . [a-zA-Z_-] [\\x00-\\x1F] \"\\u00e9\"",
            "root ::= object\nobject ::= \"{\" (object (\",\" object)*)? \"}\"",
            "root ::= (\"a\"*)*",
            "root ::= a*\na ::= | \" \"",
            "root ::= \"a\"{0,2000} \"b\"{3,}",
        ] {
            assert_eq!(check(grammar), Ok(()), "{grammar}");
        }
    }

    #[test]
    fn bad_grammars_are_refused_with_the_place() {
        for (grammar, named) in [
            ("", "no rule named root"),
            ("start ::= \"a\"", "no rule named root"),
            ("root ::= other", "the rule other is not defined"),
            ("root ::= \"a", "line 1: a text or a class of characters has no end"),
            ("root ::= [a", "has no end"),
            ("x ::= \"a\"\nroot = x", "line 2: there is no ::="),
            ("root ::= (\"a\"", "a ) is missing"),
            ("root ::= *", "nothing to repeat"),
            ("root ::= \"\"*", "nothing to repeat"),
            ("root ::= []+", "nothing to repeat"),
            ("root ::= \"a\"{2,1}", "less than the least"),
            ("root ::= \"a\"{2", "a } is missing"),
            ("root ::= \"a\"{x}", "no number"),
            ("root ::= \"a\"{2001}", "more than 2000"),
            ("root ::= \"a\"{99999999999999999999}", "too great"),
            ("root ::= \"\\q\"", "unknown escape"),
            ("root ::= \"\\x4\"", "no 2 hexadecimal digits"),
            ("root ::= <5", "no token"),
            ("root ::= \"a\" )", "does not belong"),
            ("root ::= \"a\0\"", "zero byte"),
            ("root ::= root \"a\" | \"a\"", "the rule root begins with itself"),
            ("root ::= a root \"y\" | \"x\"\na ::= b\nb ::= \"\"", "begins with itself"),
            ("root ::= a\na ::= b\nb ::= a | \"x\"", "begins with itself"),
        ] {
            let error = check(grammar).unwrap_err();
            assert!(error.contains(named), "{grammar:?}: {error}");
        }
    }

    #[test]
    fn grammars_that_would_take_for_ever_are_refused() {
        let doubling: String =
            (0..60).map(|n| format!("r{n} ::= r{next} | r{next}\n", next = n + 1)).collect();
        let chain: String = (0..5000).map(|n| format!("r{n} ::= r{}\n", n + 1)).collect();
        for grammar in [
            format!("root ::= r0\n{doubling}r60 ::= \"x\""),
            format!("root ::= r0\n{chain}r5000 ::= \"x\""),
            format!("root ::= {}\"a\"{}", "(".repeat(5000), ")".repeat(5000)),
            format!("root ::= {}\"a\"{}", "(".repeat(50), "){2000}".repeat(50)),
            format!("root ::= \"{}\"", "a".repeat(LONGEST)),
        ] {
            assert!(check(&grammar).is_err(), "{}", &grammar[..40]);
        }
    }
}
