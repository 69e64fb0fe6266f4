// The API reference: it describes everything that the package exports, and generating it fails if a
// description is missing or a link is broken.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

import { buildPackage } from "../../scripts/build.mjs";
import { makeReference } from "../../scripts/docs.mjs";
import { root } from "../../scripts/places.mjs";

function temporary(t) {
  const folder = mkdtempSync(join(tmpdir(), "distcompute-reference-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The folders of TypeDoc's pages by its numbers for kinds of declarations. */
const pages = { 64: "functions", 128: "classes", 256: "interfaces", 2097152: "types" };

test("each exported name has a page with a description", async (t) => {
  const folder = await buildPackage();
  const types = join(folder, "index.d.ts");
  const out = await makeReference({ types, out: temporary(t) });
  const { children } = JSON.parse(readFileSync(join(out, "reference.json"), "utf8"));
  const found = new Map(children.map((child) => [child.name, child]));

  const declared = readFileSync(types, "utf8").matchAll(
    /^export (?:declare )?(?:class|interface|type|function|const) (\w+)/gm,
  );
  const values = Object.keys(await import(pathToFileURL(join(folder, "index.js"))));
  const names = new Set([...[...declared].map(([, name]) => name), ...values]);
  assert.ok(names.has("Volunteer") && names.has("VolunteerStatus") && names.has("default"));
  for (const name of names) {
    const entry = found.get(name);
    assert.ok(entry, `${name} is not in the reference`);
    const comment = entry.comment ?? entry.signatures?.[0]?.comment;
    const text = comment?.summary.map((part) => part.text).join("") ?? "";
    assert.ok(text.trim().length > 10, `${name} has no description`);
    const page = join(out, pages[entry.kind], `${name}.html`);
    assert.ok(existsSync(page), `${name} has no page`);
  }
});

test("an export without a description and a broken link are errors", async (t) => {
  const folder = temporary(t);
  const types = join(folder, "index.d.ts");
  const options = join(folder, "typedoc.json");
  const own = join(root, "scripts", "reference", "typedoc.jsonc");
  writeFileSync(options, JSON.stringify({ extends: [own], intentionallyNotDocumented: [] }));
  const make = () => makeReference({ types, out: join(folder, "out"), options });

  writeFileSync(types, "/** Something described. */\nexport function good(): void;\n");
  await make();
  writeFileSync(types, "/** As {@link nowhere} says. */\nexport function linked(): void;\n");
  await assert.rejects(make(), ({ output }) => /nowhere/.test(output));
  writeFileSync(types, "/** One. */\nexport interface One { two: number }\n");
  await assert.rejects(make(), ({ output }) => /One\.two .* does not have any doc/.test(output));
});
