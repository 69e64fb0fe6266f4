// What this browser keeps for a tracker: registrations, results that wait, jobs that can go on. In
// IndexedDB, the one storage that workers have. No rule belongs here: the scheduler says what to keep.
//
// Storage may be missing, full or wiped at any time, and it may never answer: in a broken profile, or
// behind another tab that upgrades it. Whoever writes does not wait and is not told; what is kept only
// helps after a reload. So each step has a time limit, and the work goes on without it.

import { loaded, now, sha256 } from "./bindings.js";

const store = "kept";

/** How long each step may take, in milliseconds. The page ends a hub that is silent for ten seconds. */
const limits = { open: 3_000, read: 2_000, write: 30_000, forget: 10_000, again: 60_000 };

/** How long a file may take that is written or read. A slow disk does 1 MB in 100 ms. */
const fileMs = (bytes) => limits.write + bytes / 10_000;

let opened;
/** Until when nothing is written, because a step before has not ended within its limit. */
let stuckUntil = -Infinity;

function open() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open("distcompute", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(store);
    request.onerror = () => reject(request.error);
    request.onsuccess = () => {
      // Another tab may want to delete it.
      request.result.onversionchange = () => close(request.result);
      request.result.onclose = () => (opened = undefined);
      resolve(request.result);
    };
  });
  opened.catch(() => (opened = undefined));
  return opened;
}

function close(database) {
  opened = undefined;
  database.close();
}

/** Settles as `promise` does, or rejects with a `TimeoutError` after `ms`. */
function within(promise, ms) {
  let timer;
  const over = new Promise((_, reject) => {
    timer = setTimeout(() => {
      const error = new Error("It did not answer in time.");
      reject(Object.assign(error, { code: "timeout" }));
    }, ms);
  });
  return Promise.race([promise, over]).finally(() => clearTimeout(timer));
}

/** Resolves as `step` does, or rejects after `ms`; the next one then opens the database anew. */
async function limited(step, ms) {
  try {
    return await within(step, ms);
  } catch (error) {
    if (error?.code === "timeout") {
      opened = undefined;
      stuckUntil = now() + limits.again;
      const over = () => (stuckUntil = -Infinity);
      step.then(over, over);
    }
    throw error;
  }
}

/** Runs `work` on the store; resolves, when it is on disk, to what its request brought. */
async function transact(mode, work) {
  const database = await open();
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(store, mode);
    const request = work(transaction.objectStore(store));
    transaction.oncomplete = () => resolve(request?.result);
    transaction.onabort = () => reject(transaction.error);
  });
}

/** All that is kept at `site`. Array keys sort after texts, so this is the whole of it. */
const all = (site) => IDBKeyRange.bound([site], [site, []]);

/**
 * Resolves to what is kept at `site`, as it was written, `most` entries of it; to nothing where there is no
 * storage, or none that answers in time. `late` is told what it has where that comes after all.
 */
export async function read(site, most, late) {
  const step = transact("readonly", (kept) => kept.getAll(all(site), most));
  try {
    return await limited(step, limits.open + limits.read);
  } catch (error) {
    if (error?.code === "timeout")
      step.then(
        (kept) => late(kept),
        () => {},
      );
    return [];
  }
}

/** Writes `[name, value]` each, or deletes the name where there is no value, in one go. */
export async function write(site, entries) {
  // Entries that wait for storage that does not answer would fill the memory.
  if (now() < stuckUntil) return false;
  const step = transact("readwrite", (kept) => {
    for (const [name, value] of entries) {
      try {
        if (value === undefined) kept.delete([site, name]);
        else kept.put(value, [site, name]);
      } catch {
        // A checkpoint may be what no storage takes, as a compiled module is; the rest is kept.
      }
    }
  });
  try {
    await limited(step, limits.write);
    return true;
  } catch {
    return false;
  }
}

/**
 * Resolves to the key pair of this volunteer for a tracker, which is made at the first visit; to nothing where
 * there is no storage, or none that answers in time, or no cryptography. The private key cannot be read, by no
 * script: only used. Ed25519, or P-256 where the browser has no Ed25519.
 */
export async function keyPair(site) {
  const made = pairs.get(site) ?? limited(makePair(site), limits.open + limits.read);
  pairs.set(site, made);
  try {
    return await made;
  } catch {
    pairs.delete(site);
  }
}

const pairs = new Map();

async function makePair(site) {
  // Not in pages without https.
  if (!globalThis.crypto?.subtle || now() < stuckUntil) throw new Error("There is no storage.");
  const name = ["key", site];
  const kept = await transact("readonly", (store) => store.get(name));
  const pair = kept ?? (await firstPair(name));
  const { x, y } = await crypto.subtle.exportKey("jwk", pair.publicKey);
  return { pair, x, y };
}

async function firstPair(name) {
  const make = (algorithm) => crypto.subtle.generateKey(algorithm, false, ["sign", "verify"]);
  const fresh = await make("Ed25519").catch(() => make({ name: "ECDSA", namedCurve: "P-256" }));
  // Another tab may have been first. Of a key that cannot be kept nobody would know again.
  await transact("readwrite", (store) => {
    const before = store.getKey(name);
    before.onsuccess = () => {
      try {
        if (before.result === undefined) store.put(fresh, name);
      } catch {
        before.transaction.abort();
      }
    };
  });
  return transact("readonly", (store) => store.get(name));
}

/** Resolves to the signature of an ASCII text, in base64url. */
export async function sign({ pair }, text) {
  const { privateKey } = pair;
  const algorithm = { name: privateKey.algorithm.name, hash: "SHA-256" };
  const signed = await crypto.subtle.sign(algorithm, privateKey, new TextEncoder().encode(text));
  const letters = btoa(String.fromCharCode(...new Uint8Array(signed)));
  return letters.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Deletes all that is kept at `site`, and the key for the tracker at `url`. Rejects where that fails: somebody has asked for it. */
export async function forget(site, url) {
  const step = transact("readwrite", (kept) => {
    kept.delete(all(site));
    kept.delete(["key", url]);
  });
  pairs.delete(url);
  await limited(step, limits.forget);
  try {
    // Files are those of all trackers of this origin. Pages without https have no caches.
    await within(caches.delete(filesName), limits.forget);
  } catch {
    // Files say nothing of this volunteer.
  }
}

// Files of jobs, in Cache Storage by the hash of their bytes, or in memory. The one that is not whole is never seen
// there: what is put into a cache appears when its stream has ended, and the stream ends when the hash is right.

const filesName = "distcompute-files";

/** So many bytes are kept where the browser does not say how many it has, or has only memory. */
const fewBytes = 268_435_456;
const mostBytes = 2_147_483_648;

/** What a file is called in the cache. No request goes to it. */
const address = (name, bytes) => `https://files.invalid/${name}?${bytes}`;

/** The files at hand. */
const blobs = new Map();

/** What has come of files that are not whole, and what ends the attempt to fetch one. */
const sinks = new Map();

const openCache = () => within(caches.open(filesName), limits.open);

/** Resolves to how many bytes may be kept, whether for longer than this page, and the names and sizes of what is. */
export async function measureFiles() {
  const kept = [];
  try {
    const cache = await openCache();
    for (const { url } of await within(cache.keys(), limits.read)) {
      const [, name, bytes] = /(sha256-[0-9a-f]{64})\?(\d{1,15})$/.exec(url) ?? [];
      if (name) kept.push([name, Number(bytes)]);
      const [, begun] = draftName.exec(url) ?? [];
      if (Number(begun) < Date.now() - draftMs) dropUrl(url);
    }
    const own = kept.reduce((sum, [, bytes]) => sum + bytes, 0);
    const estimate = navigator.storage?.estimate?.();
    const { quota, usage } = (await within(Promise.resolve(estimate), limits.read)) ?? {};
    // A half of what is free is left for others.
    const room = (quota - usage + own) / 2;
    return { room: Math.min(Math.max(room, 0) || fewBytes, mostBytes), durable: true, kept };
  } catch {
    return { room: fewBytes, durable: false, kept: [] };
  }
}

/** Has the bytes of a file at hand that was put. */
export function holdFile(name, bytes, blob) {
  const fits = blob instanceof Blob && blob.size === bytes;
  if (fits) blobs.set(name, blob);
  return fits;
}

export function closeFile(name) {
  blobs.delete(name);
}

/** The files at hand that have these names. */
export function filesAtHand(names) {
  return Object.fromEntries(names.map((name) => [name, blobs.get(name)]));
}

/** Resolves to a file that is kept, as a blob, whose bytes are in no memory. */
async function readKept(name, bytes) {
  const cache = await openCache();
  const found = await within(cache.match(address(name, bytes)), fileMs(0));
  return await within(found.blob(), fileMs(bytes));
}

/** Resolves to whether a file at hand is kept. */
export async function keepFile(name, bytes) {
  const given = blobs.get(name);
  try {
    const cache = await openCache();
    await within(cache.put(address(name, bytes), new Response(given)), fileMs(bytes));
  } catch {
    return false;
  }
  try {
    // What a handler has made is in memory as long as somebody has it, and it may take long to send it.
    const kept = await readKept(name, bytes);
    if (blobs.get(name) === given) holdFile(name, bytes, kept);
  } catch {
    // What was given is still at hand.
  }
  return true;
}

/** Resolves to whether a file that was kept is at hand now. */
export async function openFile(name, bytes) {
  try {
    return holdFile(name, bytes, await readKept(name, bytes));
  } catch {
    return false;
  }
}

export async function dropFile(name, bytes) {
  blobs.delete(name);
  await dropUrl(address(name, bytes));
}

/** Ends the attempt to fetch a file, and lets go of what has come. */
export function leaveFile(name) {
  sinks.get(name)?.end();
  sinks.delete(name);
}

/** What is written to the cache while it comes. */
class Entry {
  #writer;
  #kept;

  constructor(url) {
    const { readable, writable } = new TransformStream();
    this.#writer = writable.getWriter();
    this.#kept = caches.open(filesName).then((cache) => cache.put(url, new Response(readable)));
    this.#kept.catch((thrown) => this.#writer.abort(thrown)).catch(() => {});
    this.#writer.closed.catch(() => {});
  }

  write(chunk) {
    return within(this.#writer.write(chunk), limits.write);
  }

  /** Resolves when it is kept. */
  async close(bytes) {
    await within(this.#writer.close(), fileMs(bytes));
    await within(this.#kept, fileMs(bytes));
  }

  abort() {
    this.#writer.abort().catch(() => {});
  }
}

/** What has at most so many bytes is hashed and kept when it is whole. */
const wholeBytes = 8_388_608;

/** What has come of a file. */
class Sink {
  have = 0;
  #hash = loaded("work").hasher();
  /** The bytes of a small file. */
  #whole;
  #parts = [];
  #memory;
  #entry;
  controller;

  constructor(name, bytes, memory) {
    this.name = name;
    this.bytes = bytes;
    this.#memory = memory;
    if (bytes <= wholeBytes) this.#whole = new Uint8Array(bytes);
    else if (!memory) this.#entry = new Entry(address(name, bytes));
  }

  async write(chunk) {
    const at = this.have;
    this.have += chunk.byteLength;
    if (this.#whole) return this.#whole.set(chunk, at);
    this.#hash(chunk);
    if (this.#entry) return this.#entry.write(chunk);
    this.#parts.push(chunk);
    // Blobs are kept outside of this thread's memory.
    if (this.#parts.length >= 64) this.#parts = [new Blob(this.#parts)];
  }

  async isRight() {
    const hash = this.#whole && (await sha256(this.#whole));
    if (this.#whole && hash === undefined) this.#hash(this.#whole);
    return `sha256-${hash ?? this.#hash()}` === this.name;
  }

  /** Resolves to whether the file is at hand now. */
  async close() {
    const { name, bytes } = this;
    if (this.#whole) {
      // Nobody needs it any more.
      if (this.controller?.signal.aborted) return false;
      holdFile(name, bytes, new Blob([this.#whole]));
      if (this.#memory || (await keepFile(name, bytes))) return true;
      closeFile(name);
      return false;
    }
    if (!this.#entry) return holdFile(name, bytes, new Blob(this.#parts));
    await this.#entry.close(bytes);
    return openFile(name, bytes);
  }

  end() {
    this.#entry?.abort();
    this.controller?.abort();
  }
}

/** A draft that is larger is written to the cache. Browsers keep blobs in memory that scripts make. */
const draftBytes = 8_388_608;

/** A draft whose page was closed is deleted after a day. */
const draftMs = 86_400_000;

const draftName = /\/put-(\d+)-[^/]*$/;

/** What a handler puts piece by piece. Nobody knows its name before its end. */
export class Draft {
  /** What `write` and `blob` reject with if the storage is full. */
  static full = new Error("The storage is full.");
  #bytes = 0;
  #blobs = [];
  #parts = [];
  #partBytes = 0;
  /** Whether there is no cache. */
  #memory = false;
  #entry;
  #url = `https://files.invalid/put-${Date.now()}-${Math.random()}`;

  async write(chunk) {
    // Its owner may write into it again.
    const part = chunk.slice();
    this.#bytes += part.byteLength;
    if (this.#entry) return this.#store(part);
    this.#parts.push(part);
    this.#partBytes += part.byteLength;
    // Blobs are kept outside of this thread's memory.
    if (this.#partBytes >= 1_048_576) {
      this.#blobs.push(new Blob(this.#parts));
      [this.#parts, this.#partBytes] = [[], 0];
    }
    if (this.#bytes > draftBytes && !this.#memory) await this.#move();
  }

  /** Goes on in the cache, if there is one. */
  async #move() {
    try {
      await openCache();
    } catch {
      this.#memory = true;
      return;
    }
    this.#entry = new Entry(this.#url);
    for (const blob of [...this.#blobs, new Blob(this.#parts)]) {
      await this.#store(new Uint8Array(await blob.arrayBuffer()));
    }
    [this.#blobs, this.#parts] = [[], []];
  }

  async #store(part) {
    try {
      await this.#entry.write(part);
    } catch {
      throw Draft.full;
    }
  }

  /** Resolves to all that was written. */
  async blob() {
    if (!this.#entry) return new Blob([...this.#blobs, ...this.#parts]);
    try {
      await this.#entry.close(this.#bytes);
      const found = await (await openCache()).match(this.#url);
      return await within(found.blob(), fileMs(this.#bytes));
    } catch {
      throw Draft.full;
    }
  }

  /** Deletes it if the file is kept under its name. Otherwise the blob is needed until it is sent. */
  async settle(name) {
    if (!this.#entry) return;
    try {
      const cache = await openCache();
      if (await cache.match(address(name, this.#bytes))) this.drop();
    } catch {
      // It is deleted after a day.
    }
  }

  drop() {
    this.#entry?.abort();
    if (this.#entry) dropUrl(this.#url);
  }
}

async function dropUrl(url) {
  try {
    const cache = await openCache();
    await cache.delete(url);
  } catch {
    // It is deleted with the others, by the browser.
  }
}

/**
 * Fetches a file, or what is missing of it. Resolves to how that has ended: "kept", "held" (in memory), "broken",
 * "damaged", "full", or another status than 200 and when to try again. `moved` hears how many bytes there are.
 */
export async function fetchFile(name, bytes, url, memory, stallMs, moved) {
  const controller = new AbortController();
  let sink = sinks.get(name);
  /** What it means if something throws. */
  let thrown = "full";
  const over = (end) => {
    sink?.end();
    if (sinks.get(name) === sink) sinks.delete(name);
    return end;
  };
  try {
    sink ??= new Sink(name, bytes, memory);
    sinks.set(name, sink);
    sink.controller = controller;
    thrown = "broken";
    const request = {
      headers: sink.have > 0 ? { range: `bytes=${sink.have}-` } : {},
      signal: controller.signal,
      cache: /** @type {const} */ ("no-store"),
      credentials: /** @type {const} */ ("omit"),
      referrerPolicy: /** @type {const} */ ("no-referrer"),
    };
    const response = await within(fetch(url, request), stallMs);
    const { status } = response;
    if (status === 416) return over("damaged");
    if (status !== 200 && status !== 206) {
      return { status, retryAfter: response.headers.get("retry-after") };
    }
    // A server that does not know ranges begins at the beginning, of the same bytes.
    let came = 0;
    let skip = status === 200 ? sink.have : 0;
    const reader = sink.have < bytes ? response.body.getReader() : undefined;
    while (sink.have < bytes) {
      const { done, value } = await within(reader.read(), stallMs);
      // Of what ends early for the second time there is no more.
      if (done) return came > 0 ? "broken" : over("damaged");
      const chunk = value.subarray(Math.min(skip, value.length), skip + bytes - sink.have);
      skip -= Math.min(skip, value.length);
      if (chunk.length === 0) continue;
      came += chunk.length;
      thrown = "full";
      await sink.write(chunk);
      thrown = "broken";
      moved(sink.have);
    }
    // The rest of what is longer than it said is not received.
    if (!(await sink.isRight())) return over("damaged");
    thrown = "full";
    if (!(await sink.close())) return over("full");
    sinks.delete(name);
    return memory ? "held" : "kept";
  } catch {
    return thrown === "broken" ? thrown : over(thrown);
  } finally {
    controller.abort();
  }
}

/** What ends a part that is being sent. */
const parts = new Map();

export function cancelPart(id) {
  parts.get(id)?.abort();
}

/** Sends the bytes `from` to `to` of a file. Resolves to what was answered. */
export async function sendPart(id, url, name, from, to, limitMs) {
  const controller = new AbortController();
  parts.set(id, controller);
  try {
    const headers = decodeURIComponent(new URL(url).hash.slice(1));
    const request = {
      method: "PUT",
      headers: headers === "" ? {} : JSON.parse(headers),
      // A slice has no type, which would be a header.
      body: blobs.get(name).slice(from, to),
      signal: controller.signal,
      credentials: /** @type {const} */ ("omit"),
      referrerPolicy: /** @type {const} */ ("no-referrer"),
      redirect: /** @type {const} */ ("error"),
    };
    const { status, headers: said } = await within(fetch(url, request), limitMs);
    const [code, retryAfter] = ["distcompute-error", "retry-after"].map((of) => said.get(of));
    return { status, code, retryAfter };
  } finally {
    parts.delete(id);
    // What it says besides is not read.
    controller.abort();
  }
}
