// What the example's page makes of the outputs of volunteers, and its handler of what another one has sent.

import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

import { DataSet, addressOf, readShard } from "../../examples/crawl/www/shards.js";
import { handler } from "../../examples/crawl/www/stages.js";

const read = (bytes) => readShard(new Blob([bytes]).stream());
const shard = (...lines) => gzipSync(lines.map((line) => JSON.stringify(line)).join("\n"));
const bands = (first) => first.padEnd(16, "0") + "f".repeat(13 * 16);

test("whatever is no shard is passed over", async () => {
  const bomb = gzipSync(Buffer.alloc(50 << 20));
  for (const bytes of ["", "no gzip", bomb, shard(7).subarray(0, 12), shard("no counts", "{")]) {
    const made = await read(bytes);
    assert.ok(made === undefined || made.counts.size === 0, String(bytes).slice(0, 40));
  }
  const made = await read(
    shard({ url: 1, text: ["x"] }, { counts: { a: -1, b: "2", c: 3, d: 1e300 } }),
  );
  assert.deepEqual(made.pages, [{ url: "", title: "", text: "", language: "" }]);
  assert.deepEqual([...made.counts], [["c", 3]]);
});

test("only files of the tracker are fetched", () => {
  const tracker = new URL("http://tracker.test/project/");
  const address = (file) => addressOf(`<!json!>${JSON.stringify({ file })}`, tracker);
  const $file = `sha256-${"0".repeat(64)}`;
  const found = address({ $file, bytes: 1, url: `api/files/${$file}?until=1` });
  assert.equal(found.href, `http://tracker.test/project/api/files/${$file}?until=1`);
  const wrong = [
    null,
    7,
    {},
    { $file },
    { url: "api/files/x" },
    { $file, url: "http://evil.test/" },
  ];
  for (const file of wrong) assert.equal(address(file), undefined, JSON.stringify(file));
  for (const data of [undefined, 7, "text", "<!json!>", "<!json!>null"]) {
    assert.equal(addressOf(data, tracker), undefined);
  }
});

test("figures are sums over shards, of which a later one replaces an earlier one", async () => {
  const set = new DataSet();
  const page = (language, key) => ({ url: "u", text: "t", language, bands: bands(key) });
  const counts = { counts: { "clean.drop.short": 2, "pack.pages": 1 } };
  set.add(1, await read(shard(page("eng", "a"), { counts: { "clean.drop.short": 99 } })));
  set.add(1, await read(shard(page("eng", "a"), page("deu", "b"), counts)));
  set.add(2, await read(shard(page("eng", "c"), counts)));
  assert.deepEqual([set.shards, set.count("pack.pages")], [2, 2]);
  assert.deepEqual(set.reasons, [["short", 4]]);
  assert.deepEqual(set.languages, [
    ["eng", 2],
    ["deu", 1],
  ]);
  // All but the first band are the same in all pages.
  assert.equal(set.duplicates, 2);
});

test("the handler reports what another volunteer has sent, and not what the owner made", async () => {
  const invalid = (reason) => {
    throw new RangeError(reason);
  };
  const kernel = {
    clean: () => {
      throw new Error("line 1: no page");
    },
  };
  const file = async (ref) => {
    if (!ref?.$file) throw new TypeError("no reference");
    return ref.$file === "large" ? { size: 2 ** 40 } : new Blob(["x"]);
  };
  const run = (stage, data) => handler({ stage, data, file }, { setup: kernel, invalid });
  await assert.rejects(run("b", { file: 7 }), { name: "RangeError", message: /no reference/ });
  await assert.rejects(run("b", null), { name: "RangeError" });
  const large = run("b", { file: { $file: "large" } });
  await assert.rejects(large, { name: "RangeError", message: /larger than/ });
  const other = run("b", { file: { $file: "x" } });
  await assert.rejects(other, { name: "RangeError", message: "line 1: no page" });
  await assert.rejects(run("a", { bytes: "?" }), { name: "TypeError" });
});

test("the memory of the figures does not grow with the pages", () => {
  const set = new DataSet();
  const pages = Array.from({ length: 4_000 }, () => ({
    url: "",
    title: "",
    text: "",
    language: "eng",
  }));
  for (let number = 1; number <= 5; number += 1) {
    const own = pages.map((_, at) => `${number} ${at}`.padEnd(16, "x").repeat(14));
    set.add(number, { pages, bands: own, counts: new Map([["pack.pages", pages.length]]) });
  }
  assert.deepEqual([set.compared, set.count("pack.pages"), set.duplicates], [12_000, 20_000, 0]);
});
