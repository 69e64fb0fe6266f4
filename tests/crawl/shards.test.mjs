// What the example's page makes of the outputs of volunteers, and its handler of what another one has sent.

import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

import { DataSet, readShard } from "../../examples/crawl/www/shards.js";
import { handler } from "../../examples/crawl/www/stages.js";

const output = (bytes) => `<!json!>${JSON.stringify({ shard: bytes.toString("base64") })}`;
const shard = (...lines) => output(gzipSync(lines.map((line) => JSON.stringify(line)).join("\n")));
const bands = (first) => first.padEnd(16, "0") + "f".repeat(13 * 16);

test("whatever is no shard is passed over", async () => {
  const bomb = output(gzipSync(Buffer.alloc(50 << 20)));
  const wrong = [undefined, 7, "text", "<!json!>", "<!json!>null", '<!json!>{"shard":"?"}', bomb];
  for (const data of [...wrong, output(Buffer.from("no gzip")), shard("no counts", "{")]) {
    const made = await readShard(data);
    assert.ok(made === undefined || made.counts.size === 0, String(data).slice(0, 40));
  }
  const made = await readShard(
    shard({ url: 1, text: ["x"] }, { counts: { a: -1, b: "2", c: 3, d: 1e300 } }),
  );
  assert.deepEqual(made.pages, [{ url: "", title: "", text: "", language: "" }]);
  assert.deepEqual([...made.counts], [["c", 3]]);
});

test("figures are sums over shards, of which a later one replaces an earlier one", async () => {
  const set = new DataSet();
  const page = (language, key) => ({ url: "u", text: "t", language, bands: bands(key) });
  const counts = { counts: { "clean.drop.short": 2, "pack.pages": 1 } };
  set.add(1, await readShard(shard(page("eng", "a"), { counts: { "clean.drop.short": 99 } })));
  set.add(1, await readShard(shard(page("eng", "a"), page("deu", "b"), counts)));
  set.add(2, await readShard(shard(page("eng", "c"), counts)));
  assert.deepEqual([set.shards, set.count("pack.pages")], [2, 2]);
  assert.deepEqual(set.reasons, [["short", 4]]);
  assert.deepEqual(set.languages, [
    ["eng", 2],
    ["deu", 1],
  ]);
  // All but the first band are the same in all pages.
  assert.equal(set.duplicates, 2);
});

test("the handler reports what another volunteer has sent, and not what the owner made", () => {
  const invalid = (reason) => {
    throw new RangeError(reason);
  };
  const kernel = {
    clean: () => {
      throw new Error("line 1: no page");
    },
  };
  const run = (stage, data) => () => handler({ stage, data }, { setup: kernel, invalid });
  assert.throws(run("b", { lines: 7 }), { name: "RangeError", message: /no lines/ });
  assert.throws(run("b", null), { name: "RangeError" });
  assert.throws(run("b", { lines: "x" }), { name: "RangeError", message: "line 1: no page" });
  assert.throws(run("a", { bytes: "?" }), { name: "Error", message: /crawl jobs/ });
});
