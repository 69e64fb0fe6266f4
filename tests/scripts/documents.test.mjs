// The documentation: its links point to existing files and headings, and its scripts have no syntax errors.

import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { test } from "node:test";

import { transform } from "esbuild";

import { blocks, document } from "../documents.mjs";
import { root } from "../../scripts/places.mjs";

const names = ["", "bench", "bench/results", "docs", "docs/decisions"].flatMap((folder) =>
  readdirSync(join(root, folder))
    .filter((file) => file.endsWith(".md"))
    .map((file) => join(folder, file)),
);

/** Removes code blocks, whose brackets are no links and whose `#` starts no heading. */
function prose(text) {
  return text.replace(/^( *)```[^]*?^\1```$/gm, "");
}

/** The anchors that GitHub generates for the headings of a text. */
function anchors(text) {
  const found = new Map();
  for (const [, heading] of prose(text).matchAll(/^#+ (.*)$/gm)) {
    const words = heading.toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, "");
    const anchor = words.trim().replaceAll(" ", "-");
    const earlier = found.get(anchor) ?? 0;
    found.set(anchor, earlier + 1);
    if (earlier > 0) found.set(`${anchor}-${earlier}`, 1);
  }
  return found;
}

/** The broken links of a document. */
function brokenLinks(name, text) {
  const links = [...prose(text).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link);
  return links.filter((link) => {
    if (/^[a-z]+:/.test(link)) return false;
    const [path, anchor] = link.split("#");
    const target = path === "" ? name : normalize(join(dirname(name), path));
    const file = join(root, target);
    if (!existsSync(file)) return true;
    return anchor !== undefined && !anchors(readFileSync(file, "utf8")).has(anchor);
  });
}

test("links to files and headings are not broken", () => {
  const found = brokenLinks("docs/x.md", "[a](nowhere.md) [b](#none) [c](../README.md#glossary)");
  assert.deepEqual(found, ["nowhere.md", "#none"]);
  assert.ok(names.includes("README.md") && names.includes("docs/protocol.md"));
  for (const name of names) assert.deepEqual(brokenLinks(name, document(name)), [], name);
});

test("scripts in documents have no syntax errors", async () => {
  let parsed = 0;
  for (const name of names) {
    for (const language of ["js", "jsx"]) {
      for (const code of blocks(document(name), language)) {
        await assert.doesNotReject(transform(code, { loader: "jsx" }), `${name}: ${code}`);
        parsed += 1;
      }
    }
  }
  assert.ok(parsed >= 10, `only ${parsed} scripts were found`);
});
