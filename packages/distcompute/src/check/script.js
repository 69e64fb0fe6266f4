// Bundles a script for trial: with `work` replaced, and a loop that runs jobs.

import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

import { bundle, named } from "../bundle.js";
import { Failure } from "../failure.js";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

/** The name by which our code imports the owner's script. */
const given = "distcompute:script";

/** The client in a bundle, or, for pages without one, on a tracker. */
const client = /^distcompute-client$|distcompute_client\.js$/;

/**
 * Writes the script to `outfile`.
 *
 * @param {string} path
 * @param {string} outfile
 */
export async function bundleForTrial(path, outfile) {
  if (!existsSync(path)) throw new Failure(`There is no file ${path}.`);
  const own = dirname(here("."));
  /** @type {import("esbuild").Plugin} */
  const replaced = {
    name: "client",
    setup: ({ onResolve }) =>
      onResolve({ filter: client }, ({ importer, kind }) => {
        if (kind === "entry-point" || isOwn(importer, own)) return undefined;
        return { path: here("client.js") };
      }),
  };
  const contents = `
    import { begin } from ${JSON.stringify(here("worker.js"))};
    begin(() => import("${given}"));`;
  await bundle(
    {
      stdin: { contents, resolveDir: here("."), sourcefile: "trial.js" },
      outfile,
      plugins: [named(given, path), replaced],
      sourcemap: "inline",
      sourcesContent: false,
    },
    "The script",
  );
}

/** Whether a module belongs to this package, or to the client. */
function isOwn(importer, own) {
  return importer.startsWith(own) || /node_modules[/\\]distcompute-client[/\\]/.test(importer);
}
