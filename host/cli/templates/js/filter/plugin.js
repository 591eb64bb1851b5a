// A filter: refuses requests whose body mentions a forbidden word. Answers pass as they are; `chunk` would see them.

const FORBIDDEN = "xyzzy";

/** @type {import("@inferno/plugin").Filter} */
export const filter = {
  request(head, body) {
    if (new TextDecoder().decode(body).includes(FORBIDDEN)) {
      return { tag: "refuse", val: { status: 400, message: `the word ${FORBIDDEN} is not spoken here` } };
    }
    return { tag: "pass" };
  },

  response: () => "pass",

  chunk: (data) => data,
};
