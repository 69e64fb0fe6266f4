// The command `distcompute` as a user has it: installed in a folder from packed tarballs.

import { spawn } from "node:child_process";
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { buildPackage, buildTracker } from "../../scripts/build.mjs";
import { root } from "../../scripts/places.mjs";
import { npm } from "../bundlers/project.mjs";

export const numbers = (count) => Array.from({ length: count }, (_, index) => index + 1);
export const linesOf = (values) => values.map((value) => `${JSON.stringify(value)}\n`).join("");

/**
 * Builds what the command needs, and packs it into a folder as `npm publish` would.
 *
 * @param {string} folder
 * @param {string[]} [others] further packages of this repository
 * @returns {Promise<{ packageDir: string, tracker: string, tarballs: string[] }>} the paths of the client, of the
 *   tracker and of the packed command with the packages that it needs
 */
export async function packCommand(folder, others = []) {
  const { "distcompute-tracker": tracker } = await buildTracker();
  const packageDir = await buildPackage();
  const packages = ["volunteer-panel", "distcompute", ...others];
  for (const one of packages.map((name) => join(root, "packages", name)).concat(packageDir)) {
    await npm(["pack", one], folder);
  }
  const names = ["distcompute-client", "distcompute-volunteer", "distcompute"];
  return { packageDir, tracker, tarballs: names.map((name) => join(folder, `${name}-0.1.0.tgz`)) };
}

/** Installs packages in a folder with a package.json. */
export async function install(folder, tarballs) {
  await npm(["install", "--prefer-offline", "--no-audit", "--no-fund", ...tarballs], folder);
}

/** Installs it. `remove` deletes the folder. */
export async function installCommand() {
  const folder = mkdtempSync(join(tmpdir(), "distcompute-map-"));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true }));
  const { packageDir, tracker, tarballs } = await packCommand(folder);
  await install(folder, tarballs);
  const env = { ...process.env, DISTCOMPUTE_TRACKER_PROGRAM: tracker, XDG_CONFIG_HOME: folder };

  /** Writes a file in the folder, and returns its name. */
  const put = (name, text) => {
    writeFileSync(join(folder, name), text);
    return name;
  };

  /** Starts the command. `input` is the path of a file for standard input. */
  const start = (args, { input, more = {}, limitMs = 180_000 } = {}) => {
    const program = join(folder, "node_modules", ".bin", "distcompute");
    // A command that hangs must not hold up the tests.
    const limits = { timeout: limitMs, killSignal: /** @type {const} */ ("SIGKILL") };
    const child = spawn(program, args, { cwd: folder, env: { ...env, ...more }, ...limits });
    if (input === undefined) child.stdin.end();
    else createReadStream(join(folder, input)).pipe(child.stdin);
    // The reader of a command that was killed is gone.
    child.stdin.on("error", () => {});
    const run = { child, output: "", errors: "" };
    child.stdout.on("data", (data) => (run.output += data));
    child.stderr.on("data", (data) => (run.errors += data));
    const code = new Promise((resolve) =>
      child.once("close", (code, signal) => resolve(code ?? signal)),
    );
    return Object.assign(run, { code });
  };

  const finished = async (args, options) => {
    const run = start(args, options);
    return { code: await run.code, output: run.output, errors: run.errors };
  };

  const remove = () => rmSync(folder, { recursive: true, force: true });
  return { folder, env, packageDir, tracker, put, start, finished, remove };
}
