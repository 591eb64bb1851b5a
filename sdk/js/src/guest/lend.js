import { PluginError } from "../error.js";

/**
 * An interface of the host whose failures are `PluginError`s.
 * `arities` has the functions, and by resource the methods, whose last parameters may be left out; the engine wants all.
 */
export function lend(imported, arities = {}) {
  const lent = {};
  for (const [name, value] of Object.entries(imported)) {
    lent[name] = isResource(value) ? withMethods(value, arities[name]) : plain(value, arities[name]);
  }
  return lent;
}

function isResource(value) {
  return typeof value === "function" && Object.getOwnPropertyNames(value.prototype ?? {}).length > 1;
}

function withMethods(resource, arities = {}) {
  const { prototype } = resource;
  for (const name of Object.getOwnPropertyNames(prototype)) {
    if (name === "constructor" || typeof prototype[name] !== "function") continue;
    prototype[name] = plain(prototype[name], arities[name]);
  }
  return resource;
}

function plain(call, arity = 0) {
  return function (...args) {
    while (args.length < arity) args.push(null);
    try {
      return call.apply(this, args);
    } catch (thrown) {
      if (typeof thrown?.payload?.message !== "string") throw thrown;
      const { kind, message, hint, retryAfterMs } = thrown.payload;
      throw new PluginError(kind.val ?? kind.tag, message, { hint, retryAfterMs });
    }
  };
}
