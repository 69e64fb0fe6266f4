// `npm run docs`: the API reference as HTML. TypeDoc generates that of the npm package from its types,
// rustdoc that of the crates. Both fail on broken links, and TypeDoc also on undocumented members.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";

import { ensureApart } from "./apart.mjs";
import { buildPackage } from "./build.mjs";
import { Failure, isMain, runMain } from "./failure.mjs";
import { root, toolEnv } from "./places.mjs";
import { endOnSignals, must } from "./process.mjs";
import { cargoNotes, progress } from "./progress.mjs";
import { ensureBuildTools } from "./tools.mjs";

const usage = `npm run docs

Generates the API reference: of the npm package in target/docs/, of the crates in target/doc/.`;

const described = join(root, "scripts", "reference");

/** Makes sure of TypeDoc, with its own TypeScript. Resolves to its program. */
export async function ensureTypedoc() {
  const why = "It generates the API reference of the npm package.";
  const installed = await ensureApart({ name: "typedoc", described, what: "TypeDoc", why });
  return join(installed, "node_modules", "typedoc", "bin", "typedoc");
}

/**
 * Generates the reference of a declaration file. Rejects if TypeDoc has warnings.
 *
 * @param {{ types: string, out: string, options?: string }} wanted `types` is the declaration file;
 *   `out` the folder for the HTML, and for the same as JSON in `reference.json`; `options` the path of
 *   TypeDoc's options
 */
export async function makeReference({ types, out, options = join(described, "typedoc.jsonc") }) {
  const typedoc = await ensureTypedoc();
  // TypeDoc reads its input from a tsconfig, which has to be a file.
  const folder = mkdtempSync(join(tmpdir(), "distcompute-reference-"));
  try {
    const tsconfig = join(folder, "tsconfig.json");
    const language = { target: "esnext", module: "esnext", moduleResolution: "bundler" };
    const compilerOptions = { ...language, lib: ["esnext", "dom"], types: [], strict: true };
    writeFileSync(tsconfig, JSON.stringify({ compilerOptions, files: [types] }));
    const what = ["--options", options, "--tsconfig", tsconfig, "--entryPoints", types];
    const where = ["--out", out, "--json", join(out, "reference.json")];
    await must(process.execPath, [typedoc, ...what, ...where], {
      cwd: root,
      env: toolEnv({ NO_COLOR: "1" }),
      why: "The reference describes everything that the package exports.",
      remedy: "document the members that the warnings name, and fix the links",
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return out;
}

/** Generates the reference of the crates. */
async function documentCrates() {
  const args = ["doc", "--workspace", "--no-deps"];
  await progress({ what: "documenting the crates", about: "2 minutes the first time" }, (note) =>
    must("cargo", args, {
      env: toolEnv({ RUSTDOCFLAGS: "-D warnings" }),
      onLine: cargoNotes(note),
      remedy: "see the messages above",
    }),
  );
}

async function main(args) {
  if (args.length > 0) {
    if (args.length === 1 && args[0] === "--help") return console.log(usage);
    throw new Failure(`Invalid option: ${args.join(" ")}`, { remedy: usage });
  }
  endOnSignals();
  await ensureBuildTools();
  const types = join(await buildPackage(), "index.d.ts");
  const out = join(root, "target", "docs");
  await progress({ what: "generating the API reference" }, () => makeReference({ types, out }));
  await documentCrates();
  console.log(`the npm package: ${relative(root, join(out, "index.html"))}`);
  console.log(`the crates:      ${join("target", "doc", "distcompute_tracker", "index.html")}`);
}

if (isMain(import.meta.url)) await runMain(main);
