// An http plugin: answers requests under `/{{name}}` with the number of words in their body.

/** @type {import("@inferno/plugin").Http} */
export const http = {
  handle({ body }) {
    const words = new TextDecoder().decode(body).split(/\s+/).filter(Boolean);
    return { body: `${words.length} words\n` };
  },
};
