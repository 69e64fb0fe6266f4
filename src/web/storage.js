// What this browser keeps for a tracker: registrations, results that wait, jobs that can go on. In
// IndexedDB, the one storage that workers have. No rule belongs here: the scheduler says what to keep.
//
// Storage may be missing, full or wiped at any time, and it may never answer: in a broken profile, or
// behind another tab that upgrades it. Whoever writes does not wait and is not told; what is kept only
// helps after a reload. So each step has a time limit, and the work goes on without it.

import { now } from "./bindings.js";

const store = "kept";

/** How long each step may take, in milliseconds. The page ends a hub that is silent for ten seconds. */
const limits = { open: 3_000, read: 2_000, write: 30_000, forget: 10_000, again: 60_000 };

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
}
