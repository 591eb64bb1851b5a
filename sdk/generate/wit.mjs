// Reads WIT, as far as the files in wit/host and wit/plugin use it.

/** Reads one file: `{ package, interfaces }`. Worlds are skipped. */
export function parse(text, file) {
  const tokens = tokenise(text, file);
  let at = 0;
  const peek = () => tokens[at] ?? { text: "", line: 0 };
  const next = () => tokens[at++] ?? fail("it ends too early");
  const is = (word) => peek().text === word;
  const take = (word) => is(word) && (at++, true);
  const fail = (why) => {
    throw new Error(`${file}:${peek().line}: ${why}`);
  };
  const expect = (word) => (is(word) ? next() : fail(`expected "${word}", found "${peek().text}"`));
  const skipTo = (word) => {
    while (next().text !== word);
  };
  const list = (close, item) => {
    const items = [];
    while (!take(close)) {
      items.push(item());
      if (!take(",")) {
        expect(close);
        break;
      }
    }
    return items;
  };

  function type() {
    const name = next().text;
    if (!["list", "option", "tuple", "result", "stream", "future"].includes(name)) return { name };
    return { name, of: take("<") ? list(">", () => (take("_") ? null : type())) : [] };
  }

  function signature() {
    const asynchronous = take("async");
    expect("func");
    expect("(");
    const params = list(")", () => {
      const name = plain(next().text);
      expect(":");
      return { name, type: type() };
    });
    const result = take("->") ? type() : null;
    expect(";");
    return { asynchronous, params, result };
  }

  function named(read) {
    const { text, docs } = next();
    return { name: plain(text), docs, ...read() };
  }

  function resource() {
    const members = [];
    if (take(";")) return { members };
    expect("{");
    while (!take("}")) {
      const { text: name, docs } = next();
      if (name === "constructor") {
        expect("(");
        const params = list(")", () => named(() => (expect(":"), { type: type() })));
        expect(";");
        members.push({ name, docs, params, result: null });
      } else {
        expect(":");
        if (is("static")) fail("static functions are not supported yet");
        members.push({ name: plain(name), docs, ...signature() });
      }
    }
    return { members };
  }

  function item() {
    const start = next();
    const { text: word, docs } = start;
    const span = (read) => ({ docs, start: start.begins, ...read(), end: tokens[at - 1].end });
    switch (word) {
      case "use":
        return span(() => {
          let from = next().text;
          while (!is("{")) from += next().text;
          expect("{");
          const names = list("}", () => next().text);
          expect(";");
          return { is: "use", from: from.replace(/\.$/, ""), names };
        });
      case "record":
        return span(() => ({
          is: word,
          name: next().text,
          fields: (expect("{"), list("}", () => named(() => (expect(":"), { type: type() })))),
        }));
      case "variant":
      case "enum":
        return span(() => ({
          is: word,
          name: next().text,
          cases: (expect("{"), list("}", () => named(() => ({ type: take("(") ? closed(type()) : null })))),
        }));
      case "resource":
        return span(() => ({ is: word, name: next().text, ...resource() }));
      case "type":
        return fail("type aliases are not supported yet");
      default:
        return span(() => (expect(":"), { is: "func", name: plain(word), ...signature() }));
    }
  }

  function closed(value) {
    expect(")");
    return value;
  }

  const parsed = { package: null, interfaces: [] };
  while (at < tokens.length) {
    const { text: word, docs } = next();
    if (word === "package") {
      let name = "";
      while (!take(";")) name += next().text;
      parsed.package = name;
    } else if (word === "@") {
      skipTo(")");
      // What is said before an attribute is about what comes after it.
      peek().docs = docs.length ? docs : peek().docs;
    } else if (word === "interface") {
      const name = next().text;
      const items = [];
      expect("{");
      while (!take("}")) items.push(item());
      parsed.interfaces.push({ name, docs, items });
    } else if (word === "world") {
      skipTo("}");
    } else {
      fail(`"${word}" is not supported`);
    }
  }
  return parsed;
}

/** A name that would be a keyword is written with a `%`. */
function plain(name) {
  return name.replace(/^%/, "");
}

function tokenise(text, file) {
  const tokens = [];
  let docs = [];
  let docsBegin = null;
  let line = 1;
  const pattern = /\/\/\/ ?([^\n]*)|\/\/[^\n]*|->|[A-Za-z0-9%_.-]+|[@{}()<>:;,=/]|\s+|./gy;
  for (const match of text.matchAll(pattern)) {
    const [word, doc] = match;
    if (doc !== undefined) {
      docsBegin ??= match.index;
      docs.push(doc);
    } else if (/^[@{}()<>:;,=/]$|^->$|^[A-Za-z0-9%_]/.test(word)) {
      tokens.push({ text: word, docs, line, begins: docsBegin ?? match.index, end: match.index + word.length });
      docs = [];
      docsBegin = null;
    } else if (word.trim() && !word.startsWith("//")) {
      throw new Error(`${file}:${line}: "${word}" is not supported`);
    }
    line += word.split("\n").length - 1;
  }
  return tokens;
}

/** Streams, futures and asynchronous functions are what guests without async support cannot have. */
export function isSynchronous(func) {
  const whole = (type) => !type || (!["stream", "future"].includes(type.name) && (type.of ?? []).every(whole));
  return !func.asynchronous && whole(func.result) && func.params.every((param) => whole(param.type));
}
