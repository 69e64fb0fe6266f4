// Builds packages/volunteer-panel: its scripts in one file, the words of each language in a file of its own, and,
// for pages without a bundler, the client beside them.

import { copyFileSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

import { root } from "./places.mjs";

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
 * Builds the panel from the client's package in `packageDir`. Resolves to the folder with everything that a
 * page without a bundler loads.
 *
 * @param {string} packageDir
 */
export async function buildPanel(packageDir) {
  // Bundlers get one file a language, too: not all of them read JSON.
  await bundle({ folder: "lib", name: "index", external: ["distcompute-client"] });
  const name = "distcompute_volunteer";
  const dist = await bundle(
    { folder: "dist", name, minify: true, plugins: [clientBeside] },
    client,
  );
  for (const file of client) copyFileSync(join(packageDir, file), join(dist, file));
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
