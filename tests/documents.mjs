// Extracts the code and the commands in the documentation, so that tests can run them unchanged.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { root } from "../scripts/places.mjs";

/** The code blocks of a language in a text, in order. */
export function blocks(text, language) {
  const found = text.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)\\n\`\`\`$`, "gm"));
  return [...found].map(([, code]) => code);
}

/** The text of a document, for example `docs/owner.md`. */
export function document(name) {
  return readFileSync(join(root, name), "utf8");
}

/** The script in a document that starts with a comment with its name, for example `// worker.js`. */
export function scriptOf(name, script) {
  const found = blocks(document(name), "js").filter((code) => code.startsWith(`// ${script}\n`));
  assert.equal(found.length, 1, `${name} has ${found.length} scripts that begin with // ${script}`);
  return found[0];
}
