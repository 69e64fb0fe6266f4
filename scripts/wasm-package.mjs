// Builds the npm package of a crate as `wasm-pack build` does, with Cargo, wasm-bindgen and wasm-opt.
// A test in tests/bundlers compares the results. Not using wasm-pack itself saves the minutes that it
// takes to compile on a new machine.

import { copyFileSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { toolEnv, which } from "./places.mjs";
import { must } from "./process.mjs";

const wasmTarget = "wasm32-unknown-unknown";

/**
 * Builds the package into `outDir`.
 *
 * @param {{ crate: string, target: "web" | "bundler" | "nodejs", outDir: string,
 *   onLine?: (line: string) => void }} wanted `onLine` receives the lines of Cargo's output
 */
export async function makeWasmPackage({ crate, target, outDir, onLine }) {
  const manifest = await manifestOf(crate);
  const compiled = await compile(crate, onLine);
  rmSync(outDir, { recursive: true, force: true });
  mkdirSync(outDir, { recursive: true });
  const bind = ["--out-dir", outDir, "--typescript", "--target", target, compiled];
  await must(which("wasm-bindgen"), bind, { env: toolEnv() });
  const name = crate.replaceAll("-", "_");
  await optimise(join(outDir, `${name}_bg.wasm`), manifest);
  const from = dirname(manifest.manifest_path);
  const texts = readdirSync(from).filter((file) => /^(LICENSE|README)/.test(file));
  for (const file of texts) copyFileSync(join(from, file), join(outDir, file));
  const json = packageJson({ manifest, name, target, files: readdirSync(outDir) });
  writeFileSync(join(outDir, "package.json"), `${JSON.stringify(json, null, 2)}\n`);
}

async function manifestOf(crate) {
  const args = ["metadata", "--no-deps", "--format-version", "1"];
  const { stdout } = await must("cargo", args, { blame: "stderr" });
  const { packages } = JSON.parse(stdout);
  return packages.find(({ name }) => name === crate);
}

/** Compiles the crate, and resolves to the path of the wasm. */
async function compile(crate, onLine) {
  const json = ["--message-format", "json-render-diagnostics"];
  const args = ["build", "--lib", "--release", "--target", wasmTarget, "--package", crate, ...json];
  const { stdout } = await must("cargo", args, {
    blame: "stderr",
    onLine,
    remedy: "see the compiler's messages above",
  });
  const files = stdout
    .split("\n")
    .filter((line) => line.startsWith('{"reason":"compiler-artifact"'))
    .flatMap((line) => JSON.parse(line).filenames);
  return files.findLast((file) => file.endsWith(".wasm"));
}

/** Runs wasm-opt with the arguments of wasm-pack's settings in the crate's Cargo.toml. */
async function optimise(file, { metadata }) {
  const args = metadata["wasm-pack"].profile.release["wasm-opt"];
  const optimised = `${file}.optimised`;
  await must(which("wasm-opt"), [file, "-o", optimised, ...args], { env: toolEnv() });
  renameSync(optimised, file);
}

/**
 * The contents of `package.json` for these files.
 *
 * @param {{ manifest: any, name: string, target: string, files: string[] }} made
 */
export function packageJson({ manifest, name, target, files }) {
  const isModule = target !== "nodejs";
  const made = [`${name}_bg.wasm`, `${name}.js`, `${name}_bg.js`, `${name}.d.ts`];
  const licences = files.filter((file) => file.startsWith("LICENSE")).sort();
  const listed = [...made, ...licences, "snippets"];
  return {
    name: manifest.name,
    ...(isModule && { type: "module" }),
    description: manifest.description,
    version: manifest.version,
    license: manifest.license,
    repository: { type: "git", url: manifest.repository },
    files: listed.filter((file) => files.includes(file)),
    main: `${name}.js`,
    types: `${name}.d.ts`,
    ...(isModule && {
      sideEffects: target === "bundler" ? [`./${name}.js`, "./snippets/*"] : ["./snippets/*"],
    }),
  };
}
