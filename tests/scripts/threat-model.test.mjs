// The threat model names a test for each attack. Checks that these tests exist.

import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { root } from "../../scripts/places.mjs";

const model = readFileSync(join(root, "docs", "threat-model.md"), "utf8");
const rows = model
  .split("\n")
  .filter((line) => line.startsWith("| ") && !/^\| (asset|-)/.test(line));

/** The Rust files that may contain a test such as `cli`, `contract::strangers` or `config::tests`. */
function sources(name) {
  if (name.endsWith(".rs")) return [name];
  const path = name.replace(/::tests$/, "").replaceAll("::", "/");
  const tests = join("crates", "tracker", "tests", path);
  const within = join("crates", "tracker", "src", path);
  const files = [`${tests}.rs`, `${within}.rs`];
  const folders = [tests, within].filter(
    (folder) => existsSync(join(root, folder)) && statSync(join(root, folder)).isDirectory(),
  );
  const inside = folders.flatMap((folder) =>
    readdirSync(join(root, folder)).map((file) => join(folder, file)),
  );
  return [...files, ...inside].filter((file) => existsSync(join(root, file)));
}

test("each attack has an existing test", () => {
  assert.ok(rows.length >= 15, `only ${rows.length} rows were read`);
  for (const row of rows) {
    const shown = row.split("|").at(-2) ?? "";
    const names = [...shown.matchAll(/`([^`]+)`/g)].map(([, name]) => name);
    assert.ok(names.length > 0, `no test: ${row}`);
    for (const name of names) {
      const [, file, test] = /^(.+)::([a-z0-9_]+)$/.exec(name) ?? [];
      if (test) {
        const found = sources(file).some((source) =>
          new RegExp(`fn ${test}\\b`).test(readFileSync(join(root, source), "utf8")),
        );
        assert.ok(found, `${name} is not there`);
      } else if (!name.startsWith("npm run ")) {
        assert.ok(existsSync(join(root, name)), `${name} is not there`);
      }
    }
  }
});
