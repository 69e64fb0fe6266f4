// Turns wasm-bindgen's package for the web into the published one: a single JavaScript file for pages
// without a bundler, one that embeds the wasm for bundlers and other runtimes, and further fields of
// package.json.

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

import { Failure } from "./failure.mjs";
import { root } from "./places.mjs";

const sources = join(root, "src", "npm");
const licences = ["LICENSE-APACHE", "LICENSE-MIT"];

/** Finishes the package for the web in `folder`. */
export async function finishWeb(folder) {
  const file = (name) => join(folder, name);
  const wasm = readFileSync(file("distcompute_client_bg.wasm"));
  const gzipped = gzipSync(wasm, { level: 9 }).toString("base64");
  writeFileSync(file("wasm.js"), `export const wasm="${gzipped}";\n`);
  await bundle(folder, createHash("sha256").update(wasm).digest("hex").slice(0, 16));
  rmSync(file("snippets"), { recursive: true });
  writeTypes(file);
  const typed = (name) => ({ types: `./${name}.d.ts`, default: `./${name}.js` });
  updateManifest(folder, (manifest) => ({
    ...manifest,
    repository: { type: "git", url: `git+${manifest.repository.url}.git` },
    keywords: ["volunteer-computing", "distributed-computing", "webassembly"],
    files: ["*.js", "*.d.ts", "*.wasm", ...licences],
    main: "./index.js",
    types: "./index.d.ts",
    exports: {
      ".": typed("index"),
      "./distcompute_client.js": typed("distcompute_client"),
      "./distcompute_client_bg.wasm": {
        types: "./distcompute_client_bg.wasm.d.ts",
        default: "./distcompute_client_bg.wasm",
      },
      "./package.json": "./package.json",
    },
    sideEffects: false,
  }));
}

const carried = join(root, "crates", "tracker", "client");

/**
 * Copies the files for pages without a bundler into the tracker's crate, which embeds them.
 *
 * @param {string} folder the package
 * @param {string} panel the folder of the volunteer panel, with its scripts
 */
export function carryClient(folder, panel) {
  const types = readFileSync(join(folder, "index.d.ts"));
  const scripts = readdirSync(panel).filter((name) => name.startsWith("distcompute_volunteer"));
  const files = {
    ...Object.fromEntries(scripts.map((name) => [name, readFileSync(join(panel, name))])),
    "distcompute_client.js": readFileSync(join(folder, "distcompute_client.js")),
    "distcompute_client_bg.wasm": readFileSync(join(folder, "distcompute_client_bg.wasm")),
    "distcompute_client.d.ts": types,
  };
  const hash = createHash("sha256");
  for (const content of Object.values(files)) hash.update(content);
  const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  // The name contains a hash, because browsers cache these files for a year, and during development a
  // version is built many times.
  const name = `${version}-${hash.digest("hex").slice(0, 8)}`;
  const isFolder = (entry) => entry.isDirectory();
  const there = readdirSync(carried, { withFileTypes: true }).filter(isFolder);
  // Unchanged files are not rewritten, which would make Cargo rebuild the tracker.
  if (there.length === 1 && there[0].name === name) return;
  for (const entry of there) rmSync(join(carried, entry.name), { recursive: true, force: true });
  mkdirSync(join(carried, name), { recursive: true });
  for (const [file, content] of Object.entries(files)) {
    writeFileSync(join(carried, name, file), content);
  }
}

function updateManifest(folder, change) {
  const file = join(folder, "package.json");
  const manifest = change(JSON.parse(readFileSync(file, "utf8")));
  writeFileSync(file, `${JSON.stringify(manifest, null, 2)}\n`);
}

async function bundle(folder, build) {
  const { build: esbuild } = await import("esbuild");
  const glue = join(folder, "distcompute_client.js");
  const snippets = readdirSync(join(folder, "snippets"), { recursive: true });
  const snippet = (script) =>
    join(
      folder,
      "snippets",
      snippets.find((name) => name.endsWith(script)),
    );
  // Removes wasm-bindgen's default URL of the wasm, which bundlers would resolve. src/npm/load.js provides
  // another one.
  const withoutAddress = {
    name: "without-address",
    setup: ({ onLoad }) =>
      onLoad({ filter: /distcompute_client\.js$/ }, ({ path }) => {
        const [before, after, ...more] = readFileSync(path, "utf8").split("import.meta.url");
        if (after === undefined || more.length > 0) {
          throw new Failure(
            "wasm-bindgen's JavaScript looks for its wasm in another way than before.",
            {
              remedy: "look at what it writes and mend scripts/npm-package.mjs",
            },
          );
        }
        return { contents: `${before}undefined${after}` };
      }),
  };
  await esbuild({
    entryPoints: { index: join(sources, "index.js"), file: join(sources, "file.js") },
    outdir: folder,
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    charset: "utf8",
    alias: { "#glue": glue, "#bindings": snippet("bindings.js"), "#worker": snippet("worker.js") },
    external: ["./wasm.js"],
    define: { BUILD: JSON.stringify(build) },
    plugins: [withoutAddress],
    absWorkingDir: root,
    logLevel: "error",
  });
  renameSync(join(folder, "file.js"), glue);
}

/** Replaces wasm-bindgen's types of the loader, which require a browser's types and are less precise. */
function writeTypes(file) {
  const own = readFileSync(file("distcompute_client.d.ts"), "utf8");
  const end = own.indexOf("export type InitInput");
  if (end < 0) {
    throw new Failure("wasm-bindgen's types do not end with those of its loader.", {
      remedy: "look at what it writes and mend scripts/npm-package.mjs",
    });
  }
  const loader = readFileSync(join(sources, "loader.d.ts"), "utf8");
  writeFileSync(file("index.d.ts"), `${own.slice(0, end).trimEnd()}\n\n${loader}`);
  const again = `export * from "./index.js";\nexport { default } from "./index.js";\n`;
  writeFileSync(file("distcompute_client.d.ts"), again);
  // Depending on their configuration, bundlers import the URL of a file or its exports.
  const unknown = "declare const wasm: unknown;\nexport default wasm;\n";
  writeFileSync(file("distcompute_client_bg.wasm.d.ts"), unknown);
}
