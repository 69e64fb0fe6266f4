// What README.md and docs/bundlers.md tell owners to write and to run, so that the tests do just that.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { root } from "../../scripts/places.mjs";

const readme = readFileSync(join(root, "README.md"), "utf8");
const guide = readFileSync(join(root, "docs", "bundlers.md"), "utf8");

function blocks(text, language) {
  const found = text.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)\\n\`\`\`$`, "gm"));
  return [...found].map(([, code]) => code);
}

/** The script of README.md that begins with its name, with the tracker's address in it. */
export function readmeScript(name, trackerUrl) {
  const code = blocks(readme, "js").find((block) => block.startsWith(`// ${name}\n`));
  assert.ok(code, `README.md has no code that begins with // ${name}`);
  return code.replace("location.origin", JSON.stringify(trackerUrl));
}

/** The command of README.md that installs the package from its folder. */
export function installCommand() {
  const command = blocks(readme, "sh").find((block) => block.startsWith("npm install "));
  assert.ok(command, "README.md has no command that begins with npm install");
  assert.ok(guide.includes(`\n${command}\n`), "docs/bundlers.md installs in another way");
  return command;
}

/** The commands under a heading of docs/bundlers.md. */
export function commandsFor(heading) {
  const [, section] = guide.split(`\n## ${heading}\n`);
  assert.ok(section, `docs/bundlers.md has no heading ${heading}`);
  return blocks(section.split("\n## ")[0], "sh").flatMap((block) => block.split("\n"));
}

/** The component of docs/bundlers.md. */
export function nextPage() {
  const [code] = blocks(guide, "jsx");
  assert.ok(code, "docs/bundlers.md has no component for Next");
  return code;
}
