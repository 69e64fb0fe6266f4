// Files of jobs on this machine: what stands for Cache Storage, and blobs whose bytes are in files.

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

import { DiskBlob } from "../../../packages/distcompute/src/threads/blobs.js";
import { clearCaches, openCaches } from "../../../packages/distcompute/src/threads/caches.js";

const folder = mkdtempSync(join(tmpdir(), "distcompute-caches-"));
after(() => rmSync(folder, { recursive: true, force: true }));
openCaches(folder);

const url = (name) => `https://files.invalid/${name}?5`;
const kept = async (name, body) => {
  const cache = await caches.open("files");
  await cache.put(url(name), new Response(body));
  return await (await cache.match(url(name))).blob();
};

test("what is kept is there whole, until it is deleted", async () => {
  const blob = await kept("one", "hello");
  assert.ok(blob instanceof Blob);
  assert.deepEqual([blob.size, await blob.text()], [5, "hello"]);
  assert.equal((await kept("empty", new Blob([]))).size, 0);
  let stream;
  const broken = new ReadableStream({ start: (controller) => (stream = controller) });
  const cache = await caches.open("files");
  const failing = cache.put(url("two"), new Response(broken));
  stream.enqueue(new Uint8Array(1_000_000));
  stream.error(new Error("half way"));
  await assert.rejects(failing);
  assert.deepEqual(
    (await cache.keys()).map((request) => request.url),
    [url("one"), url("empty")],
  );
  assert.equal(await cache.match(url("two")), undefined);
  assert.deepEqual([await cache.delete(url("one")), await cache.delete(url("one"))], [true, false]);
  const { usage, quota } = await navigator.storage.estimate();
  assert.ok(usage === 0 && quota > 0, `${usage} of ${quota}`);
});

test("what a killed process has left half written is deleted", async () => {
  await kept("whole", "x");
  writeFileSync(join(folder, "files", "rest.1-1.partial"), "half");
  clearCaches(folder);
  const names = readdirSync(join(folder, "files"));
  assert.deepEqual(
    names.filter((name) => /rest|partial/.test(name)),
    [],
  );
  assert.ok(names.includes(encodeURIComponent(url("whole"))));
});

test("parts of files, and files as parts, have the bytes of the files", async () => {
  const disk = await kept("ten", "0123456789");
  const typed = disk.slice(2, -2, "text/plain");
  assert.deepEqual([typed.size, typed.type, await typed.text()], [6, "text/plain", "234567"]);
  assert.equal(await typed.slice(1, 3).text(), "34");
  assert.equal(await typed.slice(-2, 100).text(), "67");
  assert.equal(typed.slice(4, 2).size, 0);
  const whole = new Blob(["<", typed, new Uint8Array([62]), disk.slice(0, 1)], { type: "a/b" });
  assert.deepEqual([whole.size, whole.type, await whole.text()], [9, "a/b", "<234567>0"]);
  assert.equal(await whole.slice(6, 9).text(), "7>0");
  assert.equal(await new Response(whole).text(), "<234567>0");
  const buffer = await whole.arrayBuffer();
  assert.equal(new TextDecoder().decode(buffer), "<234567>0");
  assert.equal(await new Blob(["plain", new Blob(["!"])]).text(), "plain!");
  assert.equal(new Blob().size, 0);
  assert.throws(() => new Blob("text"), TypeError);
});

test("blobs of files pass between threads in the client's messages, and nowhere else as empty ones", async () => {
  const disk = new Blob(["<", (await kept("passed", "0123456789")).slice(3, 6, "a/b")]);
  assert.ok(disk instanceof DiskBlob);
  const { port1, port2 } = new MessageChannel();
  const next = () => new Promise((resolve) => (port2.onmessage = ({ data }) => resolve(data)));
  port1.postMessage({ t: "put", blob: disk });
  const { blob } = await next();
  assert.deepEqual([blob.size, await blob.text()], [4, "<345"]);
  const memory = new Blob(["m"]);
  port1.postMessage({ t: "jobs", jobs: [{ key: 1, files: { disk, memory } }, { key: 2 }] });
  const { jobs } = await next();
  assert.equal(await jobs[0].files.disk.text(), "<345");
  assert.equal(await jobs[0].files.memory.text(), "m");
  assert.deepEqual([jobs[0].key, jobs[1]], [1, { key: 2, files: undefined }]);
  for (const message of [5, null, "text", { t: "x" }, [1]]) {
    port1.postMessage(message);
    assert.deepEqual(await next(), message);
  }
  assert.throws(() => port1.postMessage({ state: disk }), { name: "DataCloneError" });
  port1.close();
});
