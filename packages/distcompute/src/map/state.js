// The folder in which a run keeps its jobs and outputs, so that the same command continues it.

import { createHash, randomBytes } from "node:crypto";
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";

import { Failure } from "../failure.js";
import { lockFolder, writeWhole } from "../folder.js";

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
  tracker: "tracker.json",
  files: "files",
};

export class State {
  #folder;
  #unlock;
  #inputs;

  /**
   * Opens the folder, and creates it if there is none. Throws if another process uses it.
   *
   * @param {string} folder
   */
  constructor(folder) {
    this.#folder = folder;
    this.#unlock = lockFolder(folder);
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

  get folder() {
    return this.#folder;
  }

  /** The name of a file in the folder. @param {keyof typeof names} name */
  name(name) {
    return names[name];
  }

  /** @param {keyof typeof names} name */
  path(name) {
    return join(this.#folder, names[name]);
  }

  /** How many inputs are noted. Those of the last moment may not have been imported. */
  get inputs() {
    return fstatSync(this.#inputs).size / hashBytes;
  }

  get token() {
    return readFileSync(this.path("token"), "utf8");
  }

  /** What volunteers from other machines need. The same in each run, so that their pages go on. */
  get joinKey() {
    return readFileSync(this.path("joinKey"), "utf8");
  }

  /** Deletes the jobs and outputs. No tracker may have the database open. */
  clear() {
    this.forgetInputsAfter(0);
    for (const name of /** @type {const} */ (["run", "database", "tracker"])) {
      for (const end of ["", "-wal", "-shm"]) rmSync(this.path(name) + end, { force: true });
    }
    // Those of this machine, and those of the tracker.
    for (const folder of [this.path("files"), `${this.path("database")}-files`]) {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  /**
   * Records which function this run applies. Throws if an earlier run applied another one.
   *
   * @param {{ hash: string, txt: boolean, tracker: string | null }} run `tracker` is the address of one that
   *   exists
   */
  begin({ hash, txt, tracker }) {
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
              : (earlier.tracker ?? null) !== tracker
                ? `its jobs are on ${earlier.tracker ?? "a tracker of its own"}`
                : undefined;
      if (why === undefined) return;
      throw new Failure(
        `${this.#folder} cannot be continued: ${why}. Begin anew with --fresh, or choose another folder ` +
          `with --state.`,
      );
    }
    writeWhole(file, JSON.stringify({ layout, hash, txt, tracker }));
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
    this.#unlock();
  }
}

function hashOf(line) {
  return createHash("sha256").update(line).digest().subarray(0, hashBytes);
}
