// `npm run shell`: puts the package's own scripts (src/web/*.js) into one file, src/web/shell.js, which
// is committed: a plain `wasm-pack build` takes it as it is. One file is one request of a browser, and
// the server of the wasm tests may hang where a browser asks for more than four files at once.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { isMain, runMain } from "./failure.mjs";
import { root } from "./places.mjs";
import { ensureNpmPackages } from "./tools.mjs";

const folder = join(root, "src", "web");
const shell = join(folder, "shell.js");

const banner =
  "// All scripts of this folder in one, made by `npm run shell`. Change the others, not this one.";

/** What shell.js should be. */
export async function bundledShell() {
  const { build } = await import("esbuild");
  const { outputFiles } = await build({
    entryPoints: [join(folder, "index.js")],
    bundle: true,
    format: "esm",
    target: "es2022",
    banner: { js: banner },
    write: false,
    absWorkingDir: root,
  });
  return outputFiles[0].text;
}

/** What it is. */
export function committedShell() {
  return readFileSync(shell, "utf8");
}

if (isMain(import.meta.url)) {
  await runMain(async () => {
    await ensureNpmPackages();
    writeFileSync(shell, await bundledShell());
  });
}
