// The wasm tests of the client (tests/web*.rs) and of the sample's kernel, which run in real browsers
// with three different engines.

import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";

import { buildPackage } from "./build.mjs";
import {
  chromiumArgs,
  ensureChromedriver,
  ensureFirefox,
  ensureGeckodriver,
  ensureWebKit,
  writeCapabilities,
} from "./browsers.mjs";
import { judged, libtest } from "./counts.mjs";
import { isRoot } from "./debian.mjs";
import { Failure } from "./failure.mjs";
import { root, toolEnv, which } from "./places.mjs";
import { run } from "./process.mjs";
import { cargoNotes, progress } from "./progress.mjs";
import { withTestServers } from "./servers.mjs";
import { ensureBuildTools, ensureWasmBindgen, ensureWasmTarget } from "./tools.mjs";

/** The limit for a whole test file. Some tests wait for retries, and machines may be slow. */
const fileSeconds = 300;
const stepMs = 20 * 60_000;

/** The number of cases for each test in tests/web_fuzz.rs, if there is time. */
const fuzzCases = 400;

/** The runner uses the first of these that is set, so those of other engines must be unset. */
const driverVariables = ["GECKODRIVER", "SAFARIDRIVER", "CHROMEDRIVER", "MSEDGEDRIVER"];

/** The crates with wasm tests, and the files that contain them. */
const crates = [
  { name: "distcompute-client", folder: "tests", files: /^web.*\.rs$/ },
  { name: "mandelbrot", folder: "examples/mandelbrot/tests", files: /\.rs$/ },
];

/** For each engine: what it needs, its driver and capabilities, and a wrapper for the runner. */
const engines = {
  chromium: {
    needs: [ensureChromedriver],
    setting: (of) => {
      const { chromium, chromedriver } = of(ensureChromedriver);
      const options = { binary: chromium, args: chromiumArgs() };
      return {
        env: { CHROMEDRIVER: chromedriver },
        capabilities: { "goog:chromeOptions": options },
      };
    },
  },
  firefox: {
    needs: [ensureFirefox, ensureGeckodriver],
    setting: (of) => ({
      env: { GECKODRIVER: of(ensureGeckodriver) },
      capabilities: { "moz:firefoxOptions": { binary: of(ensureFirefox) } },
    }),
  },
  webkit: {
    needs: [ensureWebKit],
    setting: (of) => {
      const { driver, browser, xvfb } = of(ensureWebKit);
      const options = { binary: browser, args: ["--automation"] };
      // WebKit's sandbox refuses to run as root, which is the user on CI machines.
      const asRoot = isRoot() ? { WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: "1" } : {};
      return {
        env: { SAFARIDRIVER: driver, ...asRoot },
        capabilities: { "webkitgtk:browserOptions": options },
        around: [xvfb, "-a"],
      };
    },
  },
};

/**
 * The step of one engine.
 *
 * @param {keyof typeof engines} engine
 * @param {number} fuzzMs the maximum duration of each test in tests/web_fuzz.rs
 * @returns {import("./report.mjs").Step}
 */
export function wasmStep(engine, fuzzMs) {
  const { needs, setting } = engines[engine];
  const { DISTCOMPUTE_FUZZ_SEED: seed = 1, DISTCOMPUTE_FUZZ_MS: ms } = process.env;
  // By default the number of cases is fixed, so that every machine runs the same ones.
  const cases = ms === undefined ? fuzzCases : undefined;
  const fuzz = { seed: Number(seed), ms: Number(ms ?? fuzzMs), cases };
  return {
    name: `wasm:${engine}`,
    what: `the client, against a live tracker, and the kernel inside ${engine}`,
    needs: [ensureWasmTarget, ensureWasmBindgen, ensureBuildTools, ...needs],
    run: async (of) => {
      // The fuzz tests load the published form of the package.
      await buildPackage();
      return await withTestServers(() => runTests(engine, setting(of)), { fuzz });
    },
  };
}

async function runTests(engine, { env, capabilities, around = [] }) {
  const names = crates.flatMap(testNames);
  const cargo = [
    ...["cargo", "test", "--target", "wasm32-unknown-unknown", "--no-fail-fast"],
    ...crates.flatMap(({ name }) => ["--package", name]),
    ...names.flatMap((name) => ["--test", name]),
  ];
  const [program, ...args] = [...around, ...cargo];
  const own = {
    ...Object.fromEntries(driverVariables.map((name) => [name, undefined])),
    ...env,
    CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER: which("wasm-bindgen-test-runner"),
    WASM_BINDGEN_TEST_TIMEOUT: String(fileSeconds),
    WASM_BINDGEN_TEST_WEBDRIVER_JSON: writeCapabilities(engine, capabilities),
  };
  const what = `building and running ${names.join(", ")}`;
  const { code, output } = await progress({ what }, (note) =>
    run(program, args, { env: toolEnv(own), onLine: cargoNotes(note), timeoutMs: stepMs }),
  );
  return { ...judged(libtest(output), code), output };
}

/** The names of a crate's test files, after checking that each configures where it runs. */
function testNames({ folder, files }) {
  const found = readdirSync(join(root, folder)).filter((name) => files.test(name));
  if (found.length === 0) {
    throw new Failure(`There is no test in ${folder} whose name fits ${files}.`, {
      why: "What this crate does inside wasm would go untested.",
    });
  }
  for (const file of found) {
    const source = readFileSync(join(root, folder, file), "utf8");
    requireMode(`${folder}/${file}`, source);
    refuseModules(`${folder}/${file}`, source);
  }
  return found.map((file) => basename(file, ".rs")).sort();
}

/** The runner skips files that do not configure a mode, and reports success. */
export function requireMode(file, source) {
  if (/^wasm_bindgen_test_configure!\(\s*run_in_\w+\s*\);/m.test(source)) return;
  throw new Failure(`${file} does not say where its tests run.`, {
    why: "The runner would pass over it without running a single test.",
    remedy: "write wasm_bindgen_test_configure!(run_in_dedicated_worker); at its top",
  });
}

/**
 * The runner's server gives each connection a thread, and four of them wait for one. If more connections come at
 * once, two may be counted on the same thread, and one is never answered. The package has four scripts, which are
 * requested at once, so a test file must not add a fifth.
 */
export function refuseModules(file, source) {
  if (!/\binline_js\b|\bmodule = "\/tests\//.test(source)) return;
  throw new Failure(`${file} imports a script of its own.`, {
    why: "The server of these tests may never answer one of more than four requests at once.",
    remedy: "load it by load() of tests/web/support.rs",
  });
}
