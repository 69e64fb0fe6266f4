// What `distcompute work` decides before anything runs, and where it keeps its work.

import assert from "node:assert/strict";
import { verify } from "node:crypto";
import {
  appendFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

import { openStorage } from "../../../packages/distcompute/src/threads/storage.js";
import { keyOf, pairOf, thumbprint } from "../../../packages/distcompute/src/work/key.js";
import { readOptions } from "../../../packages/distcompute/src/work/options.js";
import { passedOn, permissions } from "../../../packages/distcompute/src/work/permissions.js";
import { reasonOf, statusLine } from "../../../packages/distcompute/src/work/report.js";
import { Script } from "../../../packages/distcompute/src/work/script.js";
import { trustedHosts } from "../../../packages/distcompute/src/work/trust.js";

function temporaryFolder(t) {
  const folder = mkdtempSync(join(tmpdir(), "distcompute-work-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

test("options have defaults, and a key may be in the address", () => {
  const read = (...args) => readOptions(args, {}, 8);
  const some = read("https://example.org/tracker#key=0123456789abcdef", "--stages", "baa");
  assert.equal(some.url.href, "https://example.org/tracker");
  assert.deepEqual(
    [some.cores, some.intensity, some.nickname, some.stages, some.joinKey],
    [7, 100, "anonymous", ["a", "b"], "0123456789abcdef"],
  );
  assert.equal(read("http://[::1]:8080").state, join(".distcompute", "___1__8080"));
  const env = { DISTCOMPUTE_JOIN_KEY: "from the environment" };
  assert.equal(readOptions(["http://localhost"], env, 1).joinKey, "from the environment");
  for (const [args, expected] of [
    [[], /takes the address of one tracker/],
    [["example.org"], /must be complete/],
    [["http://example.org"], /must begin with https/],
    [["http://127.0.0.1.example.org"], /must begin with https/],
    [["ftp://127.0.0.1"], /must begin with https/],
    [["https://example.org", "--cores", "0"], /from 1 to 1024/],
    [["https://example.org", "--intensity", "5"], /from 10 to 100/],
    [["https://example.org", "--stages", "ax"], /letters from a to e/],
    [["https://example.org", "--core", "1"], /Unknown option '--core'/],
    [["https://example.org", "--join-key-file", "/no/such/file"], /key cannot be read/],
  ]) {
    assert.throws(() => read(...args), expected);
  }
});

test("a host is asked for once, and remembered", async (t) => {
  const file = join(temporaryFolder(t), "settings", "trusted-hosts");
  const terminal = (typed) => {
    const input = Object.assign(new PassThrough(), { isTTY: true });
    const output = Object.assign(new PassThrough(), { isTTY: true });
    if (typed !== undefined) input.write(`${typed}\n`);
    return /** @type {any} */ ({ input, output });
  };
  const asked = (host, more) => trustedHosts({ host, given: ["given.example"], file, ...more });
  await assert.rejects(asked("a.example", terminal("no")), /Nothing was run/);
  await assert.rejects(asked("a.example", terminal("y")), /Nothing was run/);
  const closed = terminal();
  closed.input.end();
  await assert.rejects(asked("a.example", closed), /Nothing was run/);
  const hosts = await asked("a.example", terminal(" YES "));
  assert.deepEqual([...hosts], ["given.example", "a.example"]);
  const nobody = { input: { isTTY: false }, output: { isTTY: true } };
  assert.ok((await asked("a.example", nobody)).has("a.example"), "it was remembered");
  assert.ok((await asked("given.example", nobody)).has("given.example"));
  await assert.rejects(asked("a.example:81", nobody), /--trust-code a\.example:81/);
  assert.equal(readFileSync(file, "utf8"), "a.example\n", "what was given is not remembered");
});

test("the process that runs foreign code gets as few permissions as there are", () => {
  const flags = (...known) => permissions("/state", { known: new Set(known), client: "/client" });
  assert.deepEqual(flags(), []);
  const old = flags("--experimental-permission");
  assert.equal(old[0], "--experimental-permission");
  assert.deepEqual(
    old.filter((flag) => flag.includes("/state")),
    [
      "--allow-fs-read=/state/worker-*",
      "--allow-fs-read=/state/storage*",
      "--allow-fs-read=/state/files*",
      "--allow-fs-write=/state/storage*",
      "--allow-fs-write=/state/files*",
    ],
    "not the key",
  );
  assert.ok(!old.includes("--allow-child-process") && !old.includes("--allow-net"));
  const latest = flags("--permission", "--experimental-permission", "--allow-net");
  assert.equal(latest[0], "--permission");
  assert.ok(latest.includes("--allow-net"));
  assert.deepEqual(passedOn({ PATH: "/bin", TOKEN: "secret", NODE_OPTIONS: "--import=x" }), {
    PATH: "/bin",
  });
});

test("a folder has a key, which is made once and is for this user alone", async (t) => {
  const folder = join(temporaryFolder(t), "state");
  const made = keyOf(folder);
  const file = join(folder, "key.json");
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.equal(statSync(folder).mode & 0o777, 0o700);
  assert.deepEqual(keyOf(folder), made);
  // RFC 8037, A.1 and A.3.
  const known = {
    kty: "OKP",
    crv: "Ed25519",
    d: "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
    x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
  };
  writeFileSync(file, JSON.stringify({ ...known, x: made.x }));
  assert.equal(thumbprint(keyOf(folder)), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");

  const { privateKey, publicKey } = await pairOf(keyOf(folder));
  assert.deepEqual([privateKey.extractable, publicKey.extractable], [false, true]);
  const text = Buffer.from("text");
  const signature = Buffer.from(await crypto.subtle.sign("Ed25519", privateKey, text));
  assert.ok(verify(null, text, { key: known, format: "jwk" }, signature));

  for (const broken of ["", "{}", '{"kty":"OKP","crv":"X25519","d":"AA","x":"AA"}', "[]"]) {
    writeFileSync(file, broken);
    assert.throws(
      () => keyOf(folder),
      /key\.json cannot be read: .* Restore the file, or delete it/,
    );
  }
});

test("what a project says does not control the terminal", () => {
  const error = { message: "\x1b]0;title\x07 no\nline \u202e" };
  const status = { reason: { code: "setup_failed" }, error };
  assert.equal(reasonOf(status), "the project's setup fails: �]0;title� no�line �");
  const working = { ...status, reason: { code: "computing" }, error: null, jobsDone: 1200 };
  assert.equal(
    statusLine({ ...working, jobsFailed: 0, working: 4 }, 399.6),
    "computing · 1,200 done · 4 cores at work · 400 jobs/s",
  );
  assert.equal(
    statusLine({ ...working, jobsFailed: 2, lastError: { message: "x\ry" }, working: 1 }, 0),
    "computing · 1,200 done · 2 failed (x�y) · 1 core at work · 0.0 jobs/s",
  );
});

test("storage outlives the process, wherever that is killed", async (t) => {
  const file = join(temporaryFolder(t), "storage");
  const store = async () => {
    const { indexedDB, IDBKeyRange } = openStorage(file, /** @type {any} */ ("the key"));
    const request = indexedDB.open();
    const database = await new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
    const transact = (work) =>
      new Promise((resolve, reject) => {
        const transaction = database.transaction();
        const request = work(transaction.objectStore());
        transaction.oncomplete = () => resolve(request?.result);
        transaction.onabort = () => reject(transaction.error);
      });
    const all = (site) => IDBKeyRange.bound([site], [site, []]);
    return { transact, all, close: () => database.close() };
  };
  let { transact, all, close } = await store();
  const value = { bytes: new Uint8Array([1, 2]), map: new Map([["a", [null, undefined]]]) };
  await transact((kept) => {
    kept.put("first", ["site", "b"]);
    kept.put(value, ["site", "a"]);
    kept.put("gone", ["site", "c"]);
    kept.put("other", ["elsewhere", "a"]);
    assert.throws(() => kept.put(() => {}, ["site", "d"]), /could not be cloned/);
    kept.delete(["site", "c"]);
  });
  assert.deepEqual(await transact((kept) => kept.getAll(all("site"), 10)), [value, "first"]);
  assert.equal(await transact((kept) => kept.get(["key", "site"])), "the key");
  assert.deepEqual(await transact((kept) => kept.getAll(all("site"), 1)), [value]);
  close();
  // A killed process may leave a part of a record.
  appendFileSync(file, Buffer.from([200, 0, 0, 0, 1, 2, 3]));
  ({ transact, all, close } = await store());
  await transact((kept) => kept.put("second", ["site", "b"]));
  close();
  ({ transact, all, close } = await store());
  assert.deepEqual(await transact((kept) => kept.getAll(all("site"))), [value, "second"]);
  // It does not grow without end.
  for (let turn = 0; turn < 30; turn += 1) {
    await transact((kept) => kept.put("x".repeat(100_000), ["site", "large"]));
  }
  assert.ok(statSync(file).size < 1_300_000, `${statSync(file).size} bytes`);
  await transact((kept) => kept.delete(all("site")));
  assert.deepEqual(await transact((kept) => kept.getAll(all("site"))), []);
  assert.deepEqual(await transact((kept) => kept.getAll(all("elsewhere"))), ["other"]);
  close();
});

test("a script is downloaded with what it imports, from trusted hosts alone", async (t) => {
  const files = {
    "/p/worker.js": `import { place } from "./lib/place.js";
      import data from "../data.json" with { type: "json" };
      export default [import.meta.url, place, data.one];
      export const late = () => import("./late.js");`,
    "/p/lib/place.js": "export const place = new URL('x.wasm', import.meta.url).href;",
    "/p/late.js": "export default import.meta.url;",
    "/data.json": '{ "one": 1 }',
    "/bare.js": 'import "lodash";',
    "/syntax.js": "const = 1;",
    "/page.js": "<html>",
  };
  const serve = async (answer) => {
    const server = createServer(answer).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    t.after(() => server.close());
    return `http://127.0.0.1:${server.address().port}`;
  };
  const other = await serve((_, response) => response.end("export {};"));
  let isAway = false;
  const url = await serve((request, response) => {
    if (isAway) return response.writeHead(503).end();
    if (request.url === "/moved.js") return response.writeHead(302, { location: other }).end();
    const text = files[request.url];
    if (text === undefined) return response.writeHead(404).end();
    const type = request.url === "/page.js" ? "text/html" : "text/javascript";
    response.setHeader("content-type", request.url.endsWith("json") ? "application/json" : type);
    response.end(text);
  });
  files["/other.js"] = `import "${other}/x.js";`;
  const folder = temporaryFolder(t);
  const trusted = new Set([new URL(url).host]);
  const script = (path) => new Script({ url: new URL(path, url), trusted, folder });
  const worker = script("/p/worker.js");
  const path = await worker.latest();
  const module = await import(pathToFileURL(path).href);
  assert.deepEqual(module.default, [`${url}/p/worker.js`, `${url}/p/lib/x.wasm`, 1]);
  assert.equal((await module.late()).default, `${url}/p/late.js`);
  isAway = true;
  assert.equal(await worker.latest(), path, "it was downloaded just now");
  isAway = false;
  const host = new URL(other).host.replaceAll(".", "\\.");
  for (const [path, expected] of [
    ["/none.js", /none\.js answers 404/],
    ["/bare.js", /bare\.js:1: "lodash" is no address/],
    ["/syntax.js", /syntax\.js:1: .*Expected identifier/],
    ["/page.js", /is a page, and no script/],
    ["/other.js", new RegExp(`${host}, which is not trusted: --trust-code ${host}`)],
    ["/moved.js", new RegExp(`${host}, which is not trusted`)],
  ]) {
    await assert.rejects(script(path).latest(), expected, path);
  }
  writeFileSync(join(folder, "worker-0123456789abcdef.mjs"), "outdated");
  files["/p/worker.js"] = "export default 'new';";
  const next = await script("/p/worker.js").latest();
  assert.notEqual(next, path);
  assert.equal((await import(pathToFileURL(next).href)).default, "new");
  assert.throws(() => statSync(path), { code: "ENOENT" });
});
