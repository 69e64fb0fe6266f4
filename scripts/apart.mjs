// npm packages that only one script needs: installed in a folder of .tools, by a lock file of their own, so that
// the repository's packages stay few.

import { copyFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";

import { Failure } from "./failure.mjs";
import { npmCommand, root, toolsDir } from "./places.mjs";
import { must } from "./process.mjs";
import { progress } from "./progress.mjs";
import { stalePackages } from "./version.mjs";

/**
 * Makes sure of the packages of `described`, a folder with package.json and package-lock.json, in .tools/NAME.
 * Resolves to that folder.
 *
 * @param {{ name: string, described: string, what: string, why: string, about?: string }} wanted
 */
export async function ensureApart({ name, described, what, why, about = "10 s" }) {
  const installed = join(toolsDir, name);
  const lock = readFileSync(join(described, "package-lock.json"), "utf8");
  const found = join(installed, "node_modules", ".package-lock.json");
  const isFresh = () =>
    existsSync(found) && stalePackages(lock, readFileSync(found, "utf8")).length === 0;
  if (isFresh()) return installed;
  mkdirSync(installed, { recursive: true });
  for (const file of ["package.json", "package-lock.json"]) {
    copyFileSync(join(described, file), join(installed, file));
  }
  const remedy = `npm ci, in ${relative(root, installed)}`;
  const [npm, ...first] = npmCommand();
  await progress({ what: `installing ${what}`, why, about }, () =>
    must(npm, [...first, "ci", "--no-audit", "--no-fund"], { cwd: installed, why, remedy }),
  );
  if (isFresh()) return installed;
  const lockFile = relative(root, join(described, "package-lock.json"));
  throw new Failure(`npm did not install the packages of ${lockFile}.`, { why, remedy });
}
