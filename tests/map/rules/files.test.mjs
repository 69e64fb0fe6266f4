// What `distcompute map` reads and writes: options, lines, its folder, outputs.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { jobLine, lines } from "../../../packages/distcompute/src/map/lines.js";
import { duration, progressText } from "../../../packages/distcompute/src/map/figures.js";
import { readOptions } from "../../../packages/distcompute/src/map/options.js";
import { unwrapped } from "../../../packages/distcompute/src/map/output.js";
import { openSink } from "../../../packages/distcompute/src/map/sink.js";
import { State } from "../../../packages/distcompute/src/map/state.js";

function temporaryFolder(t) {
  const folder = mkdtempSync(join(tmpdir(), "distcompute-map-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const all = async (chunks) => {
  const found = [];
  for await (const line of lines(chunks)) found.push(line);
  return found;
};

async function* streamed(...chunks) {
  for (const chunk of chunks) yield Buffer.from(chunk);
}

test("lines are found wherever a stream is cut", async () => {
  const text = Buffer.from('{"ä":1}\r\n\n"€"\nlast');
  for (let cut = 0; cut <= text.length; cut += 1) {
    const found = await all(streamed(text.subarray(0, cut), text.subarray(cut)));
    assert.deepEqual(found, ['{"ä":1}', "", '"€"', "last"], `cut at ${cut}`);
  }
  assert.deepEqual(await all(streamed("a\n")), ["a"]);
  assert.deepEqual(await all(streamed()), []);
});

test("inputs that are not UTF-8 are refused", async () => {
  await assert.rejects(
    all(streamed("a\nb\n", [0xff, 0x0a])),
    /not valid UTF-8, somewhere after line 2/,
  );
  await assert.rejects(
    all(streamed("a\n", [0xe2, 0x82])),
    /not valid UTF-8, somewhere after line 1/,
  );
});

test("an input of any kind becomes a job, with its text unchanged", () => {
  const json = (line) => jobLine(line, { txt: false, number: 7 });
  assert.equal(json(" 12345678901234567890 "), "[12345678901234567890]");
  assert.equal(json("null"), "[null]");
  assert.throws(() => json("{a:1}"), /Line 7 of the inputs is not JSON.*With --txt/s);
  assert.throws(() => json(""), /Line 7/);
  assert.equal(jobLine('say "hi"', { txt: true, number: 1 }), '["say \\"hi\\""]');
  assert.equal(json('["$file",{"files":7}]'), '[["$file",{"files":7}]]');
  for (const line of ['{"a":[{"$file":"x"}]}', '{"\\u0024file":7}']) {
    assert.throws(() => json(line), /Line 7 of the inputs has an object with "\$file".*--tracker/);
    assert.equal(jobLine(line, { txt: false, number: 7, hasFiles: true }), `[${line}]`);
  }
});

test("a result becomes one line of JSON, or is refused", () => {
  for (const [data, line] of [
    ["[7]", "7"],
    ["[12345678901234567890]", "12345678901234567890"],
    ['["a\\nb"]', '"a\\nb"'],
    ['[{"a":\n1}]', '{"a":1}'],
    [" [null]", "null"],
    ['[{"$file":"x","bytes":1,"url":"api/files/x?until=1"}]', '{"$file":"x","bytes":1}'],
    ['[{"a":{"url":"x"},"b":"$file"}]', '{"a":{"url":"x"},"b":"$file"}'],
    ["[1,2]", undefined],
    ["[]", undefined],
    ["{}", undefined],
    ["[1", undefined],
    ["", undefined],
  ]) {
    assert.equal(unwrapped(`<!json!>${data}`), line, data);
  }
  assert.equal(unwrapped("[7]"), undefined);
});

test("options have defaults, and faults are explained", () => {
  const options = readOptions(["./square.js"], 4);
  assert.equal(options.local, 3);
  assert.equal(options.state, join(".distcompute", "square"));
  assert.deepEqual(options.listen, { host: "127.0.0.1", port: 8080 });
  assert.equal(readOptions(["f.js"], 1).local, 1);
  const listen = (text) => readOptions(["f.js", "--listen", text]).listen;
  assert.deepEqual(listen("0.0.0.0:90"), { host: "0.0.0.0", port: 90 });
  assert.deepEqual(listen("[::1]:90"), { host: "::1", port: 90 });
  assert.deepEqual(listen("[::]"), { host: "::", port: 8080 });
  for (const wrong of ["", "a:b", "1.2.3.4:99999", "::1"]) {
    assert.throws(() => listen(wrong), /--listen takes an address/, wrong);
  }
  for (const wrong of ["0", "-1", "1.5", "many", ""]) {
    const args = ["f.js", `--attempts=${wrong}`];
    assert.throws(() => readOptions(args), /--attempts takes a whole number from 1/, wrong);
  }
  assert.throws(() => readOptions([]), /map takes the path of a function/);
  assert.throws(() => readOptions(["a", "b", "c"]), /map takes the path of a function/);
  assert.throws(() => readOptions(["a", "--wrong"]), /--wrong/);
  assert.equal(readOptions(["--help"]), "help");
});

test("a folder belongs to one function, one process, and the same inputs", (t) => {
  const folder = join(temporaryFolder(t), "state");
  const state = new State(folder);
  state.begin({ hash: "f", txt: false, tracker: null });
  state.noteInputs(1, ["1", "2"]);
  state.noteInputs(3, ["3"]);
  assert.equal(readFileSync(state.path("token"), "utf8").length, 48);
  assert.deepEqual(
    ["1", "2", "x", "4"].map((line, index) => state.isSameInput(index + 1, line)),
    [true, true, false, false],
  );
  state.forgetInputsAfter(1);
  assert.equal(state.isSameInput(2, "2"), false);
  state.close();

  // The parent of this process is alive, and not this process.
  writeFileSync(join(folder, "lock"), String(process.ppid));
  assert.throws(() => new State(folder), /works on .* already/);
  writeFileSync(join(folder, "lock"), String(2 ** 30));
  const again = new State(folder);
  again.begin({ hash: "f", txt: false, tracker: null });
  assert.throws(
    () => again.begin({ hash: "g", txt: false, tracker: null }),
    /outputs of another function.*--fresh/,
  );
  assert.throws(
    () => again.begin({ hash: "f", txt: true, tracker: null }),
    /were read without --txt/,
  );
  again.close();
  const fresh = new State(folder);
  fresh.clear();
  fresh.begin({ hash: "g", txt: true, tracker: null });
  assert.equal(fresh.isSameInput(1, "1"), false);
  fresh.close();
});

test("outputs are appended after the last complete line", async (t) => {
  const folder = temporaryFolder(t);
  const long = "x".repeat(200_000);
  for (const [before, after] of [
    [undefined, "new\n"],
    ["", "new\n"],
    ["part", "new\n"],
    ["one\ntwo\npa", "one\ntwo\nnew\n"],
    [`one\n${long}`, "one\nnew\n"],
    [`${long}\n`, `${long}\nnew\n`],
  ]) {
    const file = join(folder, "out");
    rmSync(file, { force: true });
    if (before !== undefined) writeFileSync(file, before);
    const sink = openSink(file);
    await sink.write(["new"]);
    await sink.write([]);
    await sink.end();
    assert.equal(readFileSync(file, "utf8"), after);
  }
});

test("a file that cannot be written is an error", async (t) => {
  const sink = openSink(join(temporaryFolder(t), "missing", "out"));
  await assert.rejects(async () => {
    for (;;) await sink.write(["x".repeat(100_000)]);
  }, /ENOENT/);
});

test("the progress line says how much is left", () => {
  const figures = { total: 1000, isAll: true, done: 400, failed: 0, held: 3, volunteers: 1 };
  assert.equal(
    progressText({ ...figures, cores: 2, perSecond: 20 }),
    "400 of 1,000 done · 3 in work · 597 open · 1 volunteer · 2 cores here · 20 jobs/s · 30 s left",
  );
  assert.equal(
    progressText({ ...figures, isAll: false, failed: 600, held: 0, cores: 1, perSecond: 0.25 }),
    "400 of 1,000+ done · 600 failed · 0 in work · 0 open · 1 volunteer · 1 core here · 0.3 jobs/s",
  );
  assert.deepEqual([1.2, 600, 86_400, 1e6].map(duration), ["2 s", "10 min", "24 h", "12 days"]);
});
