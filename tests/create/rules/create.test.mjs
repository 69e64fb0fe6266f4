// What `npm create distcompute` accepts and asks, what it writes, and what a project's commands read.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { readOptions } from "../../../packages/create-distcompute/src/options.js";
import { ask } from "../../../packages/create-distcompute/src/questions.js";
import { writeProject } from "../../../packages/create-distcompute/src/write.js";
import { root } from "../../../scripts/places.mjs";
import { lockedVersion } from "../../../scripts/version.mjs";
import { compare, readCases } from "../../../packages/distcompute/src/develop/cases.js";
import { importedFiles } from "../../../packages/distcompute/src/develop/imported.js";

function temporaryFolder(t) {
  const folder = mkdtempSync(join(tmpdir(), "distcompute-create-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

test("a name must be one that npm takes, and its folder empty", (t) => {
  const folder = temporaryFolder(t);
  const of = (name) => readOptions([join(folder, name)]).folder;
  assert.equal(of("my-project.2"), join(folder, "my-project.2"));
  for (const [name, expected] of [
    ["Mein Projekt", /such as "mein-projekt"/],
    ["Größe", /such as "grosse"|such as "gro-e"/],
    ["日本", /begin with a letter or a digit\.$/],
    [".hidden", /such as "hidden"/],
    ["x".repeat(101), /cannot be the name of an npm package/],
    ["distcompute-client", /such as "my-distcompute-client"/],
    ["node_modules", /name of another package/],
  ]) {
    assert.throws(() => of(name), expected, name);
  }
  mkdirSync(join(folder, "new", ".git"), { recursive: true });
  assert.equal(of("new"), join(folder, "new"), "a new repository is empty");
  writeFileSync(join(folder, "new", "notes.txt"), "");
  assert.throws(() => of("new"), /is not empty \(notes\.txt\)/);
  writeFileSync(join(folder, "file"), "");
  assert.throws(() => of("file"), /is a file/);
});

test("options that mean nothing are refused", () => {
  for (const [args, expected] of [
    [["one", "two"], /one project at a time/],
    [["--template", "python"], /The templates: function, rust, pipeline/],
    [["--about", "two\nlines"], /one line/],
    [["--about", "x".repeat(301)], /at most 300/],
    [["--name", "x"], /Unknown option '--name'/],
  ]) {
    assert.throws(() => readOptions(args), expected);
  }
  assert.equal(readOptions(["--template", "2"]).template, "rust");
});

test("what is not given is asked for, again after an answer that will not do", async (t) => {
  const folder = temporaryFolder(t);
  const session = (answers) => {
    const printed = [];
    const question = async (text) => {
      printed.push(text);
      assert.ok(answers.length > 0, text);
      return answers.shift();
    };
    return { isTerminal: true, question, print: (text) => printed.push(text), printed, answers };
  };
  const place = join(folder, "cells");
  const all = session(["My Cells", place, "Counts cells.", "4", "pipeline"]);
  assert.deepEqual(await ask({ yes: false }, all), {
    folder: place,
    about: "Counts cells.",
    template: "pipeline",
  });
  assert.match(all.printed.join("\n"), /such as "my-cells".*There is no template "4"/s);

  const some = session(["", ""]);
  const given = { folder: place, yes: false };
  assert.deepEqual(await ask(given, some), { folder: place, about: "", template: "function" });

  const nobody = { ...session([]), isTerminal: false };
  await assert.rejects(ask(given, nobody), /no terminal to ask in/);
  assert.equal((await ask({ ...given, yes: true }, nobody)).template, "function");
  const complete = { folder: place, about: "x", template: "rust", yes: false };
  assert.equal((await ask(complete, nobody)).template, "rust");
});

test("what the owner says is text, in whatever file it stands", (t) => {
  const about = `<b>"50 %" \\ 'of' $& {{NAME}} & \`it\`</b> [x](y)`;
  const folder = join(temporaryFolder(t), "cells");
  writeProject({ folder, about, template: "pipeline" });
  const read = (name) => readFileSync(join(folder, name), "utf8");
  assert.ok(!read("page/index.html").includes("<b>"));
  assert.match(
    read("page/index.html"),
    /&#60;b&#62;&#34;50 %&#34; \\ &#39;of&#39; \$&#38; \{\{NAME\}\}/,
  );
  assert.match(read("page/index.html"), /stage="b a"/);
  assert.equal(JSON.parse(read("package.json")).description, about);
  // Only what JSON escapes, too: a TOML string of this kind is a JSON string.
  const description = /^description = (.*)$/m.exec(read("tracker.toml"))?.[1] ?? "";
  assert.equal(JSON.parse(description), about);
  assert.ok(read("README.md").includes("\\<b\\>"));
  assert.match(read(".gitignore"), /node_modules/);
});

test("the log of the database says which files were imported to their end", () => {
  const log = (...entries) =>
    entries.map(([action, detail]) => `2026-01-01\tme\t${action}\t${detail}`);
  const of = (...entries) => [...importedFiles(log(...entries).join("\n"))];
  const begun = (name) => ["import", `2 jobs from ${name}`];
  const ended = ["import", "numbers 1 to 2 were imported"];
  assert.deepEqual(of(), []);
  assert.deepEqual(of(begun("jobs/a.jsonl"), ended, begun("jobs/b 2.txt"), ended), [
    "jobs/a.jsonl",
    "jobs/b 2.txt",
  ]);
  assert.deepEqual(of(begun("jobs/a.jsonl"), ["import", "broken off: full"]), []);
  assert.deepEqual(of(begun("jobs/a.jsonl"), ended, ["reset", "all"]), []);
  assert.deepEqual(of(["export", "2 jobs from x"], ended), [], "an import of no file");
});

test("cases are read, and compared with what came of them", () => {
  const of = (text) => readCases(text, "cases.jsonl");
  assert.deepEqual(
    of('{"data":1,"output":null}\n\n{"stage":"b","data":2,"failure":"invalid"}\r\n'),
    [
      { line: 1, stage: "a", data: 1, output: null },
      { line: 3, stage: "b", data: 2, failure: "invalid" },
    ],
  );
  for (const [text, expected] of [
    ["", /has no cases/],
    ["{", /Line 1 of cases\.jsonl is not JSON/],
    ["[1]", /must have "data", and "output" or "failure"/],
    ['{"data":1}', /must have/],
    ['{"data":1,"output":1,"failure":"failed"}', /must have/],
    ['{"data":1,"ouput":1}', /unknown member "ouput"/],
    ['{"data":1,"output":1,"stage":"f"}', /none of a to e/],
    ['{"data":1,"failure":"x"}', /neither/],
  ]) {
    assert.throws(() => of(text), expected);
  }
  const seen = { ms: 1, calls: 0 };
  const ran = (more) => ({ failure: null, bytes: 2, seen, ...more });
  const [one] = of('{"data":1,"output":{"a":[1],"b":2}}');
  assert.equal(compare(one, ran({ output: { b: 2, a: [1] } })), undefined);
  assert.match(
    compare(one, ran({ output: { b: 2, a: [2] } })),
    /expected: .*\n.*found: .*"a":\[2\]/,
  );
  assert.match(compare(one, ran({ failure: { kind: "failed", message: "no" } })), /^no$/);
  const [refusing] = of('{"data":1,"failure":"invalid"}');
  assert.equal(compare(refusing, ran({ failure: { kind: "invalid", message: "bad" } })), undefined);
  assert.match(compare(refusing, ran({ output: 3 })), /calls invalid: it returned 3/);
  assert.match(
    compare(refusing, ran({ failure: { kind: "failed", message: "no" } })),
    /calls invalid: no/,
  );
});

test("the kernel of the template has the wasm-bindgen that is tested here", () => {
  const read = (name) => readFileSync(join(root, name), "utf8");
  const manifest = read("packages/create-distcompute/templates/rust/kernel/Cargo.toml");
  const version = /^wasm-bindgen = "=(.*)"$/m.exec(manifest)?.[1];
  assert.equal(version, lockedVersion(read("Cargo.lock"), "wasm-bindgen"));
});
