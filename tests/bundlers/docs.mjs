// Extracts the scripts and commands for project owners from the documentation.

import assert from "node:assert/strict";

import { blocks, document, scriptOf } from "../documents.mjs";

const guide = document("docs/bundlers.md");

/** A script from the documentation, with the address of a tracker inserted. */
export function documentedScript(name, trackerUrl, from = "README.md") {
  return scriptOf(from, name).replace("location.origin", JSON.stringify(trackerUrl));
}

/** The command that installs the package from its folder. */
export function installCommand() {
  const commands = blocks(document("docs/owner.md"), "sh");
  const command = commands.find((block) => block.startsWith("npm install "));
  assert.ok(command, "docs/owner.md has no command that begins with npm install");
  assert.ok(guide.includes(`\n${command}\n`), "docs/bundlers.md installs in another way");
  return command;
}

/** The commands under a heading of docs/bundlers.md. */
export function commandsFor(heading) {
  const [, section] = guide.split(`\n## ${heading}\n`);
  assert.ok(section, `docs/bundlers.md has no heading ${heading}`);
  return blocks(section.split("\n## ")[0], "sh").flatMap((block) => block.split("\n"));
}

/** The React component in docs/bundlers.md. */
export function nextPage() {
  const [code] = blocks(guide, "jsx");
  assert.ok(code, "docs/bundlers.md has no component for Next");
  return code;
}
