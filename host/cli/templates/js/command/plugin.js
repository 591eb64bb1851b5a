// A command: `inferno {{name}} [NAME]`.

/** @type {import("@inferno/plugin").Command} */
export const command = {
  run({ args, write }) {
    write(`Hello, ${args[0] ?? "world"}!\n`);
  },
};
