// The part of IndexedDB that the client uses, on a file: one store, whose keys are a site and a name. Changes
// are appended to the file, and it is written anew when most of it is outdated. As in browsers, what was
// written outlives the process, and not a loss of power at the same moment.

import { closeSync, existsSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { deserialize, serialize } from "node:v8";

/** The file is written anew when it is larger than this, and than four times what it has to contain, in bytes. */
const leastBytes = 1_000_000;

/** The length of a record, before each. */
const headBytes = 4;

/** What is kept, as records of `[site, name, value]`; without a value, the name is deleted. */
class Log {
  #file;
  #descriptor;
  /** The latest record of each key. @type {Map<string, { site: string, name: string, record: Buffer }>} */
  #kept = new Map();
  #size = 0;
  #keptSize = 0;

  /** @param {string} file */
  constructor(file) {
    this.#file = file;
    if (existsSync(file)) this.#read();
    // What a killed process left at the end would make what follows unreadable.
    this.#descriptor = this.#rewrite();
  }

  #read() {
    const content = readFileSync(this.#file);
    for (let at = 0; at + headBytes <= content.length;) {
      const end = at + headBytes + content.readUInt32LE(at);
      if (end > content.length) return;
      const record = content.subarray(at + headBytes, end);
      at = end;
      try {
        const [site, name, ...value] = deserialize(record);
        this.#note({ site, name, record: value.length > 0 ? record : undefined });
      } catch {
        // Written by another version of Node.
      }
    }
  }

  #note({ site, name, record }) {
    const key = JSON.stringify([site, name]);
    this.#keptSize -= this.#kept.get(key)?.record.length ?? 0;
    this.#kept.delete(key);
    if (!record) return;
    this.#kept.set(key, { site, name, record });
    this.#keptSize += record.length;
  }

  #rewrite() {
    const whole = `${this.#file}.new`;
    const descriptor = openSync(whole, "w", 0o600);
    this.#size = 0;
    this.#append(
      descriptor,
      [...this.#kept.values()].map(({ record }) => record),
    );
    renameSync(whole, this.#file);
    return descriptor;
  }

  #append(descriptor, records) {
    const parts = records.flatMap((record) => {
      const head = Buffer.alloc(headBytes);
      head.writeUInt32LE(record.length);
      return [head, record];
    });
    const bytes = Buffer.concat(parts);
    for (let at = 0; at < bytes.length;) at += writeSync(descriptor, bytes, at);
    this.#size += bytes.length;
  }

  /** @param {{ site: string, name: string, record: Buffer, isDeletion: boolean }[]} changes */
  commit(changes) {
    if (changes.length === 0) return;
    this.#append(
      this.#descriptor,
      changes.map(({ record }) => record),
    );
    for (const { isDeletion, ...change } of changes) {
      this.#note(isDeletion ? { ...change, record: undefined } : change);
    }
    if (this.#size > leastBytes && this.#size > 4 * this.#keptSize) {
      const before = this.#descriptor;
      this.#descriptor = this.#rewrite();
      closeSync(before);
    }
  }

  /** The names and records of a site, in the order of the names. @param {string} site */
  of(site) {
    const found = [...this.#kept.values()].filter((kept) => kept.site === site);
    return found.sort((one, other) => (one.name < other.name ? -1 : 1));
  }

  close() {
    closeSync(this.#descriptor);
  }
}

/** One transaction's view of the store. */
class ObjectStore {
  #log;
  #keys;
  changes = [];

  /**
   * @param {Log} log
   * @param {CryptoKeyPair} [keys]
   */
  constructor(log, keys) {
    this.#log = log;
    this.#keys = keys;
  }

  /** The volunteer's key, which is kept elsewhere: the client reads nothing else one by one. */
  get([kind]) {
    return { result: kind === "key" ? this.#keys : undefined };
  }

  getAll({ site }, most = Infinity) {
    const records = this.#log.of(site).slice(0, most);
    return { result: records.map(({ record }) => deserialize(record)[2]) };
  }

  /** Throws, as browsers do, if the value is none that can be cloned. */
  put(value, [site, name]) {
    const record = serialize([site, name, value]);
    this.changes.push({ site, name, record, isDeletion: false });
  }

  delete(which) {
    const keys = Array.isArray(which)
      ? [which]
      : this.#log.of(which.site).map(({ name }) => [which.site, name]);
    for (const [site, name] of keys) {
      this.changes.push({ site, name, record: serialize([site, name]), isDeletion: true });
    }
  }
}

/**
 * What a worker's global object has of it.
 *
 * @param {string} file
 * @param {CryptoKeyPair} [keys] the volunteer's key; without it there is none, and none can be made
 */
export function openStorage(file, keys) {
  return {
    indexedDB: {
      open() {
        const request = /** @type {any} */ ({});
        setImmediate(() => {
          try {
            request.result = database(new Log(file), keys);
          } catch (error) {
            request.error = error;
            return request.onerror?.();
          }
          request.onsuccess?.();
        });
        return request;
      },
    },
    // The only range that the client asks for is all of a site: from `[site]` to `[site, []]`.
    IDBKeyRange: { bound: ([site]) => ({ site }) },
  };
}

/**
 * @param {Log} log
 * @param {CryptoKeyPair} [keys]
 */
function database(log, keys) {
  return {
    transaction() {
      const transaction = /** @type {any} */ ({});
      const store = new ObjectStore(log, keys);
      transaction.objectStore = () => store;
      setImmediate(() => {
        try {
          log.commit(store.changes);
        } catch (error) {
          transaction.error = error;
          return transaction.onabort?.();
        }
        transaction.oncomplete?.();
      });
      return transaction;
    },
    close: () => log.close(),
  };
}
