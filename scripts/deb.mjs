// The Debian package of the tracker, by cargo-deb, from a program that is built already.

import { copyFileSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";

import { root, toolEnv } from "./places.mjs";
import { must } from "./process.mjs";
import { progress } from "./progress.mjs";
import { ensureRustTool } from "./tools.mjs";

const cargoDebVersion = "3.8.0";

/** Makes sure of cargo-deb. */
export function ensureCargoDeb() {
  return ensureRustTool({
    tool: "cargo-deb",
    programs: ["cargo-deb"],
    version: cargoDebVersion,
    why: "it makes the Debian package of the tracker",
    about: "1 to 2 minutes",
  });
}

/**
 * Makes the package from `program`. Resolves to the path of the package, in the folder `into`.
 *
 * @param {{ program: string, into: string, isQuick?: boolean }} wanted `isQuick`: compress less
 */
export async function makeDeb({ program, into, isQuick = false }) {
  await ensureCargoDeb();
  // A target folder of its own, in which cargo-deb finds this program as the release.
  const target = join(root, "target", "deb");
  const expected = join(target, "release", "distcompute-tracker");
  mkdirSync(dirname(expected), { recursive: true });
  copyFileSync(program, expected);
  mkdirSync(into, { recursive: true });
  const args = ["deb", "--package", "distcompute-tracker", "--no-build", "--strip"];
  const { stdout } = await progress({ what: "making the Debian package" }, () =>
    must("cargo-deb", [...args, "--output", into, ...(isQuick ? ["--fast"] : [])], {
      env: toolEnv({ CARGO_TARGET_DIR: target }),
      remedy: "see cargo-deb's message above",
    }),
  );
  return stdout.trim().split("\n").at(-1);
}
