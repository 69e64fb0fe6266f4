// The folder in which a run keeps its jobs and outputs, so that the same command continues it.

import { createHash, randomBytes } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";

import { Failure } from "../failure.js";

/** The version of this folder's layout. */
const layout = 1;

/** The length of an input's hash, in bytes. */
const hashBytes = 8;

/** Files of the folder. */
const names = {
  run: "run.json",
  database: "jobs.db",
  token: "admin-token",
  joinKey: "join-key",
  inputs: "inputs.sha256",
  page: "page",
  lock: "lock",
  tracker: "tracker.json",
};

export class State {
  #folder;
  #inputs;

  /**
   * Opens the folder, and creates it if there is none. Throws if another process uses it.
   *
   * @param {string} folder
   */
  constructor(folder) {
    this.#folder = folder;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.#lock();
    this.#inputs = openSync(
      this.path("inputs"),
      existsSync(this.path("inputs")) ? "r+" : "w+",
      0o600,
    );
    for (const name of /** @type {const} */ (["token", "joinKey"])) {
      const file = this.path(name);
      if (!existsSync(file)) writeWhole(file, randomBytes(24).toString("hex"));
    }
  }

  /** @param {keyof typeof names} name */
  path(name) {
    return join(this.#folder, names[name]);
  }

  get token() {
    return readFileSync(this.path("token"), "utf8");
  }

  /** What volunteers from other machines need. The same in each run, so that their pages go on. */
  get joinKey() {
    return readFileSync(this.path("joinKey"), "utf8");
  }

  #lock() {
    const file = this.path("lock");
    const holder = existsSync(file) ? Number(readFileSync(file, "utf8")) : 0;
    if (holder > 0 && holder !== process.pid && isAlive(holder)) {
      throw new Failure(
        `Process ${holder} works on ${this.#folder} already. Stop it, choose another folder with --state, ` +
          `or delete ${file} if that process is not distcompute.`,
      );
    }
    writeFileSync(file, String(process.pid));
  }

  /** Deletes the jobs and outputs. No tracker may have the database open. */
  clear() {
    this.forgetInputsAfter(0);
    for (const name of /** @type {const} */ (["run", "database", "tracker"])) {
      for (const end of ["", "-wal", "-shm"]) rmSync(this.path(name) + end, { force: true });
    }
  }

  /**
   * Records which function this run applies. Throws if an earlier run applied another one.
   *
   * @param {{ hash: string, txt: boolean }} run
   */
  begin({ hash, txt }) {
    const file = this.path("run");
    if (existsSync(file)) {
      const earlier = JSON.parse(readFileSync(file, "utf8"));
      const why =
        earlier.layout !== layout
          ? "another version of distcompute wrote it"
          : earlier.hash !== hash
            ? "it contains the outputs of another function, or of an earlier version of this one"
            : earlier.txt !== txt
              ? `its inputs were read ${earlier.txt ? "with" : "without"} --txt`
              : undefined;
      if (why === undefined) return;
      throw new Failure(
        `${this.#folder} cannot be continued: ${why}. Begin anew with --fresh, or choose another folder ` +
          `with --state.`,
      );
    }
    writeWhole(file, JSON.stringify({ layout, hash, txt }));
  }

  /**
   * Whether the input with this number, from 1, is the one that an earlier run had.
   *
   * @param {number} number
   * @param {string} line
   */
  isSameInput(number, line) {
    const stored = Buffer.alloc(hashBytes);
    const read = readSync(this.#inputs, stored, 0, hashBytes, (number - 1) * hashBytes);
    return read === hashBytes && stored.equals(hashOf(line));
  }

  /**
   * Records inputs before they are imported, from this number on.
   *
   * @param {number} first
   * @param {string[]} lines
   */
  noteInputs(first, lines) {
    writeSync(
      this.#inputs,
      Buffer.concat(lines.map(hashOf)),
      0,
      undefined,
      (first - 1) * hashBytes,
    );
    // The jobs in the database must never be more than the hashes here.
    fsyncSync(this.#inputs);
  }

  /** Deletes the hashes of inputs that were noted and not imported. */
  forgetInputsAfter(count) {
    ftruncateSync(this.#inputs, count * hashBytes);
  }

  close() {
    closeSync(this.#inputs);
    rmSync(this.path("lock"), { force: true });
  }
}

function hashOf(line) {
  return createHash("sha256").update(line).digest().subarray(0, hashBytes);
}

/** Writes a file so that it is never seen half written. */
export function writeWhole(file, text) {
  writeFileSync(`${file}.new`, text, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

/** @param {number} pid */
export function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === "EPERM";
  }
}
