// Folders in which a command keeps what it needs when it is started again.

import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { Failure } from "./failure.js";

/**
 * Creates a folder if there is none, and takes it for this process. Returns a function that lets go of it.
 * Throws if another process has it.
 *
 * @param {string} folder
 */
export function lockFolder(folder) {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, "lock");
  const holder = existsSync(file) ? Number(readFileSync(file, "utf8")) : 0;
  if (holder > 0 && holder !== process.pid && isAlive(holder)) {
    throw new Failure(
      `Process ${holder} works on ${folder} already. Stop it, choose another folder with --state, ` +
        `or delete ${file} if that process is not distcompute.`,
    );
  }
  writeFileSync(file, String(process.pid));
  return () => rmSync(file, { force: true });
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
