// Bundles scripts for browsers by esbuild, with the files that they load.

import { existsSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";

import { build } from "esbuild";

import { Failure } from "./failure.js";

/** The settings of every bundle. @type {import("esbuild").BuildOptions} */
export const forBrowsers = {
  bundle: true,
  format: "esm",
  platform: "browser",
  target: "es2022",
  charset: "utf8",
  logLevel: "silent",
};

/**
 * Bundles. Throws a `Failure` that names the place of each error.
 *
 * @param {import("esbuild").BuildOptions} options
 * @param {string} [what] is bundled, for the message
 */
export async function bundle(options, what = "The function") {
  try {
    return await build({
      ...forBrowsers,
      ...options,
      plugins: [...(options.plugins ?? []), assets],
    });
  } catch (error) {
    throw new Failure(explained(error, what));
  }
}

/** The errors of esbuild, each with its place in the owner's file. */
export function explained(error, what) {
  const errors = error?.errors;
  if (!Array.isArray(errors) || errors.length === 0) return String(error?.message ?? error);
  const lines = errors.map(({ text, location }) => {
    const place = location ? `${location.file}:${location.line}:${location.column + 1}: ` : "";
    const code = location?.lineText ? `\n    ${location.lineText.trim()}` : "";
    return `${place}${text}${code}`;
  });
  return `${what} cannot be loaded in a browser.\n  ${lines.join("\n  ")}`;
}

/** Imports `name` from `path`, which may have characters that mean something in imports. */
export function named(name, path) {
  return /** @type {import("esbuild").Plugin} */ ({
    name,
    setup: ({ onResolve }) =>
      onResolve({ filter: new RegExp(`^${name}$`) }, () => ({ path: resolve(path) })),
  });
}

/** `new URL("./file", import.meta.url)`, by which a script names a file beside it. */
const address = /new URL\(\s*(["'])([^"'`\n]+)\1\s*,\s*import\.meta\.url\s*,?\s*\)/g;

/**
 * Copies the files that scripts name by their address beside the bundle, with a hash in their names.
 *
 * @type {import("esbuild").Plugin}
 */
export const assets = {
  name: "assets",
  setup({ onLoad, onResolve }) {
    onLoad({ filter: /\.[cm]?[jt]s$/ }, async ({ path }) => {
      const text = await readFile(path, "utf8");
      const imports = [];
      const contents = text.replaceAll(address, (whole, _, name) => {
        if (!isFile(resolve(dirname(path), name))) return whole;
        const local = `distcomputeAsset${imports.length}`;
        imports.push(`import ${local} from ${JSON.stringify(`distcompute-asset:${name}`)};`);
        return `new URL(${local}, import.meta.url)`;
      });
      if (imports.length === 0) return undefined;
      const loader = /ts$/.test(path) ? "ts" : "js";
      // At the end, where they move no line.
      return { contents: `${contents}\n${imports.join("")}`, loader, resolveDir: dirname(path) };
    });
    onResolve({ filter: /^distcompute-asset:/ }, ({ path, resolveDir }) => ({
      path: resolve(resolveDir, path.slice("distcompute-asset:".length)),
      namespace: "asset",
    }));
    onLoad({ filter: /./, namespace: "asset" }, async ({ path }) => ({
      contents: await readFile(path),
      loader: "file",
      watchFiles: [path],
    }));
  },
};

function isFile(path) {
  return existsSync(path) && statSync(path).isFile();
}
