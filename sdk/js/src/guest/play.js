/** A role whose failures reach the host as such: whatever is thrown, the component itself goes on. */
export function play(role, functions) {
  const played = {};
  for (const name of functions) {
    const call = written(role, name);
    played[name] = (...args) => {
      try {
        return answered(name, call(...args));
      } catch (thrown) {
        throw failure(thrown);
      }
    };
  }
  return played;
}

/** A function of a role, which must be there. */
export function written(role, name) {
  if (typeof role[name] !== "function") throw new TypeError(`the role has no function "${name}"`);
  return (...args) => role[name](...args);
}

/** What a role gave, unless it is only a promise. */
export function answered(name, result) {
  if (typeof result?.then === "function") throw new TypeError(`"${name}" is asynchronous; roles answer at once`);
  return result;
}

/** An `Error` would end the component, so the host gets a plain object. */
export function failure(thrown) {
  const { kind, message, hint = null, retryAfterMs = null } = Object(thrown);
  if (typeof kind?.tag === "string") return { kind, message: String(message), hint, retryAfterMs };
  const where = /at (\S+) \(/.exec(thrown?.stack ?? "")?.[1];
  return {
    kind: { tag: "internal" },
    message: `the plugin failed${where ? ` in ${where}` : ""}: ${thrown}`,
    hint: null,
    retryAfterMs: null,
  };
}
