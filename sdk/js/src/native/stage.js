import { PluginError } from "../error.js";

/** What the running test lends, by interface. */
const lent = new Map();

/** An interface that looks at each use for what is lent now. */
export function stand(name) {
  return new Proxy(Object.freeze({}), {
    get(_, member) {
      if (!lent.has(name)) {
        throw new PluginError("denied", `the test lends no ${name}`, {
          hint: `call lend({ ${name}: ... }) of "@inferno/plugin/testing" first`,
        });
      }
      return lent.get(name)[member];
    },
  });
}

export function set(interfaces) {
  lent.clear();
  for (const [name, value] of Object.entries(interfaces)) lent.set(name, value);
}
