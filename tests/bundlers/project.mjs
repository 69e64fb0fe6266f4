// Creates projects in a temporary folder: the package is packed as npm would publish it, installed, and
// built with a bundler.

import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { buildPackage } from "../../scripts/build.mjs";
import { failureText } from "../../scripts/failure.mjs";
import { npmCommand, root, toolEnv } from "../../scripts/places.mjs";
import { must } from "../../scripts/process.mjs";

const here = dirname(fileURLToPath(import.meta.url));

/** The folder of the package for one target; `undefined` stands for that of the published one. */
export function packedFolder(target) {
  return target === "web" ? undefined : join(root, "target", "packages", target);
}

/** Creates the archive that `npm publish` would upload, of the package for one target. */
async function pack(target, into) {
  const folder = await buildPackage({ target, outDir: packedFolder(target) });
  const { stdout } = await npm(["pack", folder, "--json", "--pack-destination", into], into);
  return JSON.parse(stdout)[0].filename;
}

export function npm(args, cwd) {
  const [program, ...first] = npmCommand();
  return runIn(cwd, program, [...first, ...args]);
}

/** Runs a program in a project. If it fails, the error contains its output. */
export async function runIn(cwd, program, args, env = {}) {
  try {
    return await must(program, args, { cwd, env: toolEnv(env) });
  } catch (error) {
    throw new Error(failureText(error));
  }
}

/**
 * Creates a project from a template in this folder, with the package installed.
 *
 * @param {{ template: string, target: string, files?: Record<string, string> }} wanted `files` are
 *   further files of this folder by their name in the project
 * @returns {Promise<{ folder: string, remove: () => void }>}
 */
export async function makeProject({ template, target, files = {} }) {
  const folder = mkdtempSync(join(tmpdir(), `distcompute-${template}-`));
  cpSync(join(here, template), folder, { recursive: true });
  for (const [name, from] of Object.entries(files)) cpSync(join(here, from), join(folder, name));
  const archive = await pack(target, folder);
  const manifest = readManifest(folder);
  manifest.dependencies = { "distcompute-client": `file:./${archive}` };
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
  await npm(["install", "--no-audit", "--no-fund"], folder);
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

function readManifest(folder) {
  try {
    return JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  } catch (error) {
    if (error.code === "ENOENT") return { private: true };
    throw error;
  }
}

/** Runs a program in the project's node_modules. */
export function runInstalled(folder, script, args) {
  return runIn(folder, process.execPath, [join(folder, "node_modules", script), ...args]);
}
