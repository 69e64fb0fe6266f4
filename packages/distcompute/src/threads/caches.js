// The part of Cache Storage that the client uses, in a folder: a file for each entry. As in browsers, an entry is seen
// when it is whole, and what was written outlives the process, and not a loss of power at the same moment.

import { createWriteStream, readdirSync, rmSync, statfsSync, statSync } from "node:fs";
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { threadId } from "node:worker_threads";

import { DiskBlob, passBlobs } from "./blobs.js";

/** The end of the name of what is being written. */
const partial = ".partial";

let written = 0;

class Cache {
  #folder;

  /** @param {string} folder */
  constructor(folder) {
    this.#folder = folder;
  }

  #path(url) {
    return join(this.#folder, encodeURIComponent(url));
  }

  /** The oldest first. */
  async keys() {
    const names = (await readdir(this.#folder)).filter((name) => !name.endsWith(partial));
    const of = async (name) => ({ name, at: (await stat(join(this.#folder, name))).mtimeMs });
    // What is deleted meanwhile is none any more.
    const found = await Promise.all(names.map((name) => of(name).catch(() => undefined)));
    const there = found.filter((one) => one !== undefined);
    there.sort((one, other) => one.at - other.at);
    return there.map(({ name }) => ({ url: decodeURIComponent(name) }));
  }

  /**
   * @param {string} url
   * @param {Response} response
   */
  async put(url, response) {
    written += 1;
    const path = `${this.#path(url)}.${threadId}-${written}${partial}`;
    try {
      const body = /** @type {any} */ (response.body ?? []);
      await pipeline(body, createWriteStream(path, { mode: 0o600 }));
      await rename(path, this.#path(url));
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
  }

  async match(url) {
    const path = this.#path(url);
    const found = await stat(path).catch(() => undefined);
    if (!found) return undefined;
    return { blob: async () => new DiskBlob([{ path, from: 0, to: found.size }]) };
  }

  async delete(url) {
    const isThere = await this.match(url);
    await rm(this.#path(url), { force: true });
    return isThere !== undefined;
  }
}

/** How much is free, and how much files take. */
async function estimate(folder) {
  const { bavail, bsize } = statfsSync(folder);
  let usage = 0;
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    const found = statSync(join(folder, name), { throwIfNoEntry: false });
    usage += found?.isFile() ? found.size : 0;
  }
  return { usage, quota: usage + bavail * bsize };
}

/** Deletes what a process that was killed has left half written. No other process may use the folder. */
export function clearCaches(folder) {
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    if (name.endsWith(partial)) rmSync(join(folder, name), { force: true });
  }
}

/**
 * Gives this thread's global object Cache Storage, in a folder that exists.
 *
 * @param {string} folder
 */
export function openCaches(folder) {
  passBlobs();
  const caches = {
    async open(name) {
      const own = join(folder, name);
      await mkdir(own, { recursive: true, mode: 0o700 });
      return new Cache(own);
    },
    async delete(name) {
      await rm(join(folder, name), { recursive: true, force: true });
      return true;
    },
  };
  Object.defineProperty(globalThis, "caches", { value: caches, configurable: true });
  const storage = { estimate: () => estimate(folder) };
  // Node 20 has none.
  globalThis.navigator ??= /** @type {any} */ ({});
  Object.defineProperty(globalThis.navigator, "storage", { value: storage, configurable: true });
}
