// The tests that run inside wasm in a real browser (tests/web*.rs), in each of three engines.

import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";

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
import { ensureWasmBindgen, ensureWasmTarget } from "./tools.mjs";

/** For a whole test file: some tests wait for retries, and this machine may be slow. */
const fileSeconds = 300;
const stepMs = 20 * 60_000;

/** The runner takes the first of these that is set, whichever engine was meant. */
const driverVariables = ["GECKODRIVER", "SAFARIDRIVER", "CHROMEDRIVER", "MSEDGEDRIVER"];

/** What each engine needs, and the driver, its settings and the program around the tests. */
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
      // WebKit's sandbox refuses to be started by root, as CI machines do.
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
 * @returns {import("./report.mjs").Step}
 */
export function wasmStep(engine) {
  const { needs, setting } = engines[engine];
  return {
    name: `wasm:${engine}`,
    what: `the client's tests inside ${engine}, against a live tracker`,
    needs: [ensureWasmTarget, ensureWasmBindgen, ...needs],
    run: (of) => withTestServers(() => runTests(engine, setting(of))),
  };
}

async function runTests(engine, { env, capabilities, around = [] }) {
  const names = testNames(join(root, "tests"));
  const cargo = [
    ...["cargo", "test", "--target", "wasm32-unknown-unknown", "--no-fail-fast"],
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

/** The test programs, after making sure that each of them says where it runs. */
export function testNames(folder) {
  const files = readdirSync(folder).filter((name) => /^web.*\.rs$/.test(name));
  if (files.length === 0) {
    throw new Failure("There is no tests/web*.rs.", {
      why: "The client's wasm tests stand there.",
    });
  }
  for (const file of files) requireMode(file, readFileSync(join(folder, file), "utf8"));
  return files.map((file) => basename(file, ".rs")).sort();
}

/** The runner passes over a file that chooses no mode, and reports success. */
export function requireMode(file, source) {
  if (/^wasm_bindgen_test_configure!\(\s*run_in_\w+\s*\);/m.test(source)) return;
  throw new Failure(`tests/${file} does not say where its tests run.`, {
    why: "The runner would pass over it without running a single test.",
    remedy: "write wasm_bindgen_test_configure!(run_in_dedicated_worker); at its top",
  });
}
