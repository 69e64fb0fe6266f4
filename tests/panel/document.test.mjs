// docs/panel.md lists everything by which a page reaches the panel, and nothing else.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { root } from "../../scripts/places.mjs";
import { languages } from "../../packages/volunteer-panel/src/words.js";
import { document } from "../documents.mjs";

const guide = document("docs/panel.md");
const folder = join(root, "packages", "volunteer-panel");
const sources = readdirSync(join(folder, "src"))
  .map((name) => readFileSync(join(folder, "src", name), "utf8"))
  .join("\n");
const types = readFileSync(join(folder, "index.d.ts"), "utf8");

/** The names in the first column of the table under a heading. */
function listed(heading) {
  const [, section] = guide.split(`\n## ${heading}\n`);
  const rows = section
    .split("\n## ")[0]
    .split("\n")
    .filter((line) => /^\| [`(]/.test(line));
  const cells = rows.map((row) => row.split("|")[1]);
  return cells.flatMap((cell) => [...cell.matchAll(/`([\w-]+)`/g)].map(([, name]) => name)).sort();
}

/** What all matches of a pattern in a text contain, without repetitions. */
function found(text, pattern) {
  const names = [...text.matchAll(pattern)].flatMap(([, names]) => names.split(" "));
  return [...new Set(names)].sort();
}

test("the guide lists all attributes, properties and events", () => {
  const [, attributes] = /observedAttributes = \[(.*)\]/.exec(sources);
  assert.deepEqual(listed("Attributes"), found(attributes, /"(\w+)"/g));
  const [, members] = /class DistcomputeVolunteer extends HTMLElement \{([^]*?)\n\}/.exec(types);
  assert.deepEqual(listed("Properties"), found(members, /^ {2}(?:readonly )?(\w+): /gm));
  assert.deepEqual(listed("Events"), found(sources, /new CustomEvent\("(\w+)"/g));
});

test("the guide lists all slots, parts and custom properties", () => {
  const slots = [...found(sources, /"slot", \{ name: "(\w+)"/g), "loading"];
  assert.deepEqual(listed("Slots"), slots.sort());
  assert.deepEqual(listed("Parts"), found(sources, /\bpart: "([\w ]+)"/g));
  const properties = found(sources, /(--distcompute-[\w-]+)/g);
  assert.deepEqual(listed("Custom properties"), properties);
});

test("the guide names all languages", () => {
  const [, section] = guide.split("\n## Languages\n");
  const names = new Intl.DisplayNames(["en"], { type: "language" });
  for (const language of languages) assert.ok(section.includes(names.of(language)), language);
});
