// `npm run check`: formatting, linting, types, documentation and dependencies. Each check counts as
// one test.

import { join } from "node:path";

import { buildCrawl, buildKernel, buildPackage } from "./build.mjs";
import { cannotFetchAdvisories, sum } from "./counts.mjs";
import { isMain, runMain } from "./failure.mjs";
import { root, toolEnv } from "./places.mjs";
import { endOnSignals, run } from "./process.mjs";
import { cargoNotes, progress } from "./progress.mjs";
import { chosen, report } from "./report.mjs";
import {
  ensureBuildTools,
  ensureCargoDeny,
  ensureNpmPackages,
  ensureRust,
  ensureRustComponents,
  ensureWasmTarget,
} from "./tools.mjs";

const prettier = join(root, "node_modules", "prettier", "bin", "prettier.cjs");
const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
const rust = [ensureRustComponents];
const rustForWasm = [ensureRustComponents, ensureWasmTarget];
const npm = [ensureNpmPackages];
const denyWarnings = ["--", "-D", "warnings"];

const checks = [
  {
    name: "check:rustfmt",
    what: "Rust is formatted (npm run format does it)",
    needs: rust,
    command: ["cargo", "fmt", "--all", "--", "--check", "-l"],
  },
  {
    name: "check:clippy",
    what: "clippy finds nothing in the workspace",
    needs: rust,
    // Cargo skips the tests on PostgreSQL unless they are named, because they need a server.
    command: [
      ...["cargo", "clippy", "--workspace", "--all-targets", "--test", "postgres"],
      ...denyWarnings,
    ],
  },
  {
    name: "check:clippy-wasm",
    what: "clippy finds nothing in what runs in browsers",
    needs: rustForWasm,
    command: [
      ...["cargo", "clippy", "--target", "wasm32-unknown-unknown"],
      ...["-p", "distcompute-client", "-p", "mandelbrot", "-p", "crawl"],
      ...["--lib", "--tests", ...denyWarnings],
    ],
  },
  {
    name: "check:doc",
    what: "the documentation has no broken links",
    needs: rust,
    command: ["cargo", "doc", "--workspace", "--no-deps", "--document-private-items"],
    env: { RUSTDOCFLAGS: "-D warnings" },
  },
  {
    name: "check:prettier",
    what: "everything else is formatted (npm run format does it)",
    needs: npm,
    command: [process.execPath, prettier, "--check", "."],
  },
  {
    name: "check:types:scripts",
    what: "the types of the package's own scripts agree",
    needs: npm,
    command: [process.execPath, tsc, "--project", join("src", "tsconfig.json")],
  },
  {
    name: "check:types",
    what: "the types of the page's scripts match each other, the package and the kernel",
    needs: [ensureBuildTools],
    // The scripts import both packages, whose types are generated.
    first: [buildPackage, buildKernel],
    command: [process.execPath, tsc, "--project", join("www", "tsconfig.json")],
  },
  {
    name: "check:types:crawl",
    what: "the types of the crawl example's page match each other, the package and the kernels",
    needs: [ensureBuildTools],
    first: [buildPackage, buildCrawl],
    command: [
      ...[process.execPath, tsc, "--project"],
      join("examples", "crawl", "www", "tsconfig.json"),
    ],
  },
  {
    name: "check:types:panel",
    what: "the types of the volunteer panel match each other and the package",
    needs: [ensureBuildTools],
    first: [buildPackage],
    command: [
      ...[process.execPath, tsc, "--project"],
      join("packages", "volunteer-panel", "tsconfig.json"),
    ],
  },
  {
    name: "check:types:command",
    what: "the types of the command distcompute match each other and the package",
    needs: [ensureBuildTools],
    first: [buildPackage],
    command: [process.execPath, tsc, "--project", join("packages", "distcompute", "tsconfig.json")],
  },
  {
    name: "check:types:package",
    what: "the package's types accept what its documentation promises, and reject other uses",
    needs: [ensureBuildTools],
    first: [buildPackage],
    command: [process.execPath, tsc, "--project", join("tests", "types", "tsconfig.json")],
  },
];

/** @type {import("./report.mjs").Step[]} */
export const checkSteps = [
  ...checks.map((check) => ({ ...check, run: () => runCheck(check) })),
  {
    name: "check:deny",
    what: "dependencies have the licences, sources and versions of deny.toml, and no advisories",
    needs: [ensureRust, ensureCargoDeny],
    run: checkDependencies,
  },
];

async function runCheck({ what, command: [program, ...args], env, first = [] }) {
  for (const build of first) await build();
  const { code, output } = await progress({ what }, (note) =>
    run(program, args, { env: toolEnv(env), onLine: cargoNotes(note) }),
  );
  return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0, output };
}

async function checkDependencies() {
  const deny = ["cargo", "deny", "--workspace", "--locked", "check"];
  const name = "check:deny";
  const licences = "licences, sources and duplicates of dependencies";
  const rules = { name, what: licences, command: [...deny, "licenses", "bans", "sources"] };
  const first = await runCheck(rules);
  const advisories = { name, what: "advisories", command: [...deny, "advisories"] };
  const second = await runCheck(advisories);
  // Without access to GitHub the result is unknown, so the check counts neither as passed nor failed.
  if (second.failed > 0 && cannotFetchAdvisories(second.output)) {
    console.log(
      "   advisories were NOT checked: the advisory database could not be fetched from GitHub",
    );
    return first;
  }
  return { ...sum([first, second]), output: first.output + second.output };
}

async function main(args) {
  endOnSignals();
  await report({ steps: chosen(checkSteps, args), command: "npm run check --" });
}

if (isMain(import.meta.url)) await runMain(main);
