/** A role whose failures reach the host as such: whatever is thrown, the component itself goes on. */
export function play(role, functions) {
  const played = {};
  for (const name of functions) {
    if (typeof role[name] !== "function") throw new TypeError(`the role has no function "${name}"`);
    played[name] = (...args) => {
      try {
        const result = role[name](...args);
        if (typeof result?.then === "function") throw new TypeError(`"${name}" is asynchronous; roles answer at once`);
        return result;
      } catch (thrown) {
        throw failure(thrown);
      }
    };
  }
  return played;
}

/** An `Error` would end the component, so the host gets a plain object. */
function failure(thrown) {
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
