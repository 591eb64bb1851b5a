// The modules of `inferno_plugin` that stand for interfaces; what is in them, componentize-py makes of the WIT.

export function pythonModule(name) {
  return `# Generated from wit/ by sdk/generate.\nfrom inferno_wit.imports.${name} import *  # noqa: F403\n`;
}
