// The kinds of machines for which the tracker's program is published on npm: a package for each, of which npm
// installs the one that fits.

import { chmodSync, copyFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { root } from "./places.mjs";

/**
 * Each kind as Node names it, with Rust's target. On Linux the program contains its C library (musl), so that one
 * package is for all distributions.
 */
export const platforms = [
  { os: "linux", cpu: "x64", target: "x86_64-unknown-linux-musl" },
  { os: "linux", cpu: "arm64", target: "aarch64-unknown-linux-musl" },
  { os: "darwin", cpu: "x64", target: "x86_64-apple-darwin" },
  { os: "darwin", cpu: "arm64", target: "aarch64-apple-darwin" },
  { os: "win32", cpu: "x64", target: "x86_64-pc-windows-msvc" },
  { os: "win32", cpu: "arm64", target: "aarch64-pc-windows-msvc" },
];

/** The name of a platform's package. packages/distcompute/src/tracker.js looks for it. */
export const packageName = ({ os, cpu }) => `@distcompute/tracker-${os}-${cpu}`;

/** The file of the tracker's program. */
export const programFile = ({ os }) =>
  os === "win32" ? "distcompute-tracker.exe" : "distcompute-tracker";

/** The kind of this machine, or undefined if there is no package for it. */
export function ownPlatform({ platform, arch } = process) {
  return platforms.find(({ os, cpu }) => os === platform && cpu === arch);
}

/**
 * Writes a platform's package into the folder `into`, which is emptied.
 *
 * @param {{ platform: typeof platforms[number], program: string, version: string, repository: string,
 *   into: string }} wanted `program` is the path of the built program
 */
export function writeTrackerPackage({ platform, program, version, repository, into }) {
  rmSync(into, { recursive: true, force: true });
  mkdirSync(join(into, "bin"), { recursive: true });
  const manifest = {
    name: packageName(platform),
    version,
    description: `The program distcompute-tracker for ${platform.os} on ${platform.cpu}. Install distcompute instead.`,
    license: "MIT OR Apache-2.0",
    type: "module",
    repository: { type: "git", url: `git+${repository}.git` },
    engines: { node: ">=20" },
    os: [platform.os],
    cpu: [platform.cpu],
    // Package managers that keep packages as archives must unpack this one: it is run.
    preferUnplugged: true,
    files: ["bin"],
  };
  writeFileSync(join(into, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  const about = `# ${manifest.name}\n\n${manifest.description}\n`;
  writeFileSync(join(into, "README.md"), about);
  for (const file of licences) copyFileSync(join(root, file), join(into, file));
  const copy = join(into, "bin", programFile(platform));
  copyFileSync(program, copy);
  chmodSync(copy, 0o755);
}

/** The texts that every package contains. */
export const licences = ["LICENSE-APACHE", "LICENSE-MIT"];
