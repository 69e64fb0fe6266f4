// Stamps: the hash of all inputs of a build, stored beside its result, to skip builds whose inputs
// have not changed.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

import { root } from "./places.mjs";

const generated = new Set(["node_modules", "pkg", "target"]);

/** All files in a folder, or the file itself, sorted and without generated files. */
export function filesUnder(path) {
  if (!existsSync(path)) return [];
  let entries;
  try {
    entries = readdirSync(path, { withFileTypes: true });
  } catch {
    return [path];
  }
  return entries
    .filter((entry) => !entry.name.startsWith(".") && !generated.has(entry.name))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => filesUnder(join(path, entry.name)));
}

/** Hashes the names and contents of files and folders, and further words. */
export function hashOf(paths, words = []) {
  const hash = createHash("sha256");
  for (const word of words) hash.update(`${word}\0`);
  for (const file of paths.flatMap(filesUnder)) {
    // The name is hashed too, because renaming a file changes the result.
    hash.update(`${relative(root, file)}\0`);
    hash.update(readFileSync(file));
    hash.update("\0");
  }
  return hash.digest("hex");
}

/** Whether the stamp at `file` contains `hash`. */
export function isStamped(file, hash) {
  return existsSync(file) && readFileSync(file, "utf8").trim() === hash;
}

export function writeStamp(file, hash) {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${hash}\n`);
}
