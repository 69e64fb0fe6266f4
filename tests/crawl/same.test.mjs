// The crawl example's kernel in WebAssembly, beside the native program: on the same archives, every stage
// must give the same bytes, or results of volunteers could not be compared.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { gunzipSync } from "node:zlib";

import { buildCrawl, buildCrawlProgram } from "../../scripts/build.mjs";
import { must } from "../../scripts/process.mjs";

/** Real archives to try in addition, if there are any. */
const more = process.env.DISTCOMPUTE_ARCHIVES;

const folder = mkdtempSync(join(tmpdir(), "distcompute-crawl-"));
after(() => rmSync(folder, { recursive: true, force: true }));

let kernel;
let program;

before(async () => {
  const pkg = await buildCrawl();
  ({ crawl: program } = await buildCrawlProgram());
  kernel = await import(join(pkg, "crawl.js"));
  kernel.initSync({ module: readFileSync(join(pkg, "crawl_bg.wasm")) });
  await must(program, ["sample", folder, "3"]);
});

/** The shard of a piece, by all stages in WebAssembly. */
function shardOf(piece) {
  const { extract, clean, identify, sign, pack } = kernel;
  return pack(sign(identify(clean(extract(piece)))));
}

/** Runs all stages over archives both ways, and resolves to the folder of the native shards. */
async function compare(archives, name) {
  const shards = join(folder, name);
  await must(program, ["run", ...archives, "--out", shards]);
  const pieces = join(folder, `${name}-pieces`);
  await must(program, ["jobs", ...archives, "--out", pieces]);
  const lines = readFileSync(join(pieces, "jobs.jsonl"), "utf8").trim().split("\n");
  const jobs = lines.map((line) => JSON.parse(line));
  const files = readdirSync(shards).sort();
  assert.equal(files.length, jobs.length);
  for (const [index, file] of files.entries()) {
    const piece = readFileSync(join(pieces, jobs[index].file.$file));
    assert.ok(piece.length <= 1 << 20, `a piece of ${piece.length} bytes`);
    const made = Buffer.from(shardOf(piece));
    assert.ok(made.equals(readFileSync(join(shards, file))), `${jobs[index].archive}: ${file}`);
  }
  return shards;
}

test("all stages give the same bytes in WebAssembly and natively", async () => {
  const archives = ["odd.warc.gz", "ordinary.warc.gz"].map((name) => join(folder, name));
  const shards = await compare(archives, "shards");

  await must(program, ["join", shards]);
  const card = JSON.parse(readFileSync(join(shards, "card.json"), "utf8"));
  const lines = gunzipSync(readFileSync(join(shards, "dataset.jsonl.gz")))
    .toString()
    .trim();
  const pages = lines.split("\n").map(JSON.parse);
  assert.equal(pages.length, card.pages);
  assert.equal(new Set(pages.map(({ url }) => url)).size, pages.length);
  // One ordinary page in eight is nearly the same as another one.
  assert.ok(card.duplicates > card.pages / 20, JSON.stringify(card));
  assert.ok(card.languages.eng > 50 && card.languages.deu > 5, JSON.stringify(card));
  assert.ok(pages.some(({ images }) => images?.[0].src.endsWith("-2.jpg")));
  for (const reason of ["noindex", "noai", "bomb", "status"]) {
    assert.ok(card.stages[0].dropped[reason] > 0, reason);
  }
  const text = readFileSync(join(shards, "card.md"), "utf8");
  assert.match(text, new RegExp(`^${card.pages} pages with ${card.characters} characters`, "m"));
});

test("the streaming extractor gives the pages of the whole in parts of any size", () => {
  const archive = readFileSync(join(folder, "odd.warc.gz"));
  const extractor = new kernel.Extractor();
  const parts = [];
  for (let at = 0; at < archive.length; at += 5000) {
    parts.push(extractor.push(archive.subarray(at, at + 5000)));
  }
  parts.push(extractor.finish());
  assert.ok(Buffer.concat(parts).equals(Buffer.from(kernel.extract(archive))));
});

test("what no stage wrote is refused with its line, and the kernel goes on", () => {
  const bytes = (text) => new TextEncoder().encode(text);
  for (const stage of [kernel.clean, kernel.identify, kernel.sign, kernel.pack]) {
    assert.throws(() => stage(bytes("no JSON")), /the last line has no counts/);
    assert.throws(() => stage(bytes('{"url":1}\n{"counts":{}}')), /line 1/);
    assert.ok(stage(bytes('{"counts":{}}')).length > 0);
  }
  assert.equal(
    Buffer.from(kernel.extract(bytes("garbage"))).toString(),
    '{"counts":{"extract.archive.garbage":1}}\n',
  );
});

if (more) {
  test("real archives give the same bytes too", async () => {
    assert.ok(existsSync(more), `there is no folder ${more}`);
    const archives = readdirSync(more).filter((name) => /\.w?arc(\.gz)?$/.test(name));
    await compare(
      archives.sort().map((name) => join(more, name)),
      "real",
    );
  });
}
