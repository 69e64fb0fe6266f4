// Builds packages/volunteer-panel: its scripts in one file, the words of each language in a file of its own, and,
// for pages without a bundler, the client beside them.

import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

import { root } from "./places.mjs";
import { hashOf, isStamped, writeStamp } from "./stamp.mjs";

const panel = join(root, "packages", "volunteer-panel");

/** What pages without a bundler load of the client. */
const client = ["distcompute_client.js", "distcompute_client_bg.wasm"];

/** The client as a file beside the panel, which the worker scripts import from there, too. */
const clientBeside = {
  name: "client-beside",
  setup: ({ onResolve }) =>
    onResolve({ filter: /^distcompute-client$/ }, () => ({
      path: `./${client[0]}`,
      external: true,
    })),
};

/**
 * Builds the panel from the client's package in `packageDir`, unless it has been built from the same files:
 * browsers of other tests may be loading it. Resolves to the folder with everything that a page without a
 * bundler loads.
 *
 * @param {string} packageDir
 */
export async function buildPanel(packageDir) {
  const own = ["src", "words", "package.json"].map((name) => join(panel, name));
  const scripts = ["scripts/panel-package.mjs", "package-lock.json"];
  const others = scripts.map((name) => join(root, name));
  const hash = hashOf([...own, ...others, ...client.map((file) => join(packageDir, file))]);
  const stamp = join(root, "target", "stamps", "volunteer-panel");
  const made = [join(panel, "dist", "distcompute_volunteer.js"), join(panel, "lib", "index.js")];
  if (isStamped(stamp, hash) && made.every((file) => existsSync(file))) return join(panel, "dist");
  // An interrupted build must not leave the old stamp behind.
  rmSync(stamp, { force: true });
  // Bundlers get one file a language, too: not all of them read JSON.
  await bundle({ folder: "lib", name: "index", external: ["distcompute-client"] });
  const name = "distcompute_volunteer";
  const dist = await bundle(
    { folder: "dist", name, minify: true, plugins: [clientBeside] },
    client,
  );
  for (const file of client) copyFileSync(join(packageDir, file), join(dist, file));
  writeStamp(stamp, hash);
  return dist;
}

/**
 * Bundles the panel's scripts. Resolves to the path of the folder.
 *
 * @param {{ folder: string, name: string } & import("esbuild").BuildOptions} wanted
 * @param {string[]} others files that the folder has besides
 */
async function bundle({ folder, name, ...options }, others = []) {
  const { build } = await import("esbuild");
  const outdir = join(panel, folder);
  mkdirSync(outdir, { recursive: true });
  const { metafile } = await build({
    entryPoints: { [name]: join(panel, "src", "index.js") },
    outdir,
    bundle: true,
    splitting: true,
    chunkNames: `${name}_[name]`,
    format: "esm",
    target: "es2022",
    charset: "utf8",
    metafile: true,
    absWorkingDir: root,
    logLevel: "error",
    ...options,
  });
  // Files of an earlier build, such as those of a language that is gone.
  const made = Object.keys(metafile.outputs).map((path) => path.split("/").at(-1));
  for (const file of readdirSync(outdir)) {
    if (![...made, ...others].includes(file)) rmSync(join(outdir, file));
  }
  return outdir;
}
