// Runs Lighthouse with its mobile settings on the volunteer page and the dashboard.

import assert from "node:assert/strict";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { chromiumArgs, ensureChromium } from "../../scripts/browsers.mjs";
import { lastLines } from "../../scripts/failure.mjs";
import { npmCommand } from "../../scripts/places.mjs";
import { must, run } from "../../scripts/process.mjs";
import { startSample } from "../e2e/sample.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const categories = ["performance", "accessibility", "best-practices"];

/**
 * The number of runs. The best one counts, because other processes affect the performance score, and
 * because Chromium or Lighthouse itself sometimes fails.
 */
const runs = 4;

/** The time limit of a run, which takes about ten seconds. */
const runMs = 180_000;

/** The reasons for which Lighthouse gives up that are the page's fault, so that another run is no remedy. */
const faultsOfPages = [
  "CHROME_INTERSTITIAL_ERROR",
  "ERRORED_DOCUMENT_REQUEST",
  "INSECURE_DOCUMENT_REQUEST",
  "NOT_HTML",
  "PAGE_HUNG",
  "TARGET_CRASHED",
];

/**
 * Installs Lighthouse into a temporary folder. Resolves to a function that runs it, and that resolves to
 * the report, or to the reason why there is none.
 */
async function install(t) {
  const folder = mkdtempSync(join(tmpdir(), "distcompute-lighthouse-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(join(here, "package.json"), join(folder, "package.json"));
  const [npm, ...first] = npmCommand();
  await must(npm, [...first, "install", "--no-audit", "--no-fund"], { cwd: folder });
  const chromium = await ensureChromium();
  return async (url) => {
    const report = join(folder, "report.json");
    const program = join(folder, "node_modules", "lighthouse", "cli", "index.js");
    const flags = [
      ...[url, "--quiet", "--output=json", `--output-path=${report}`],
      `--only-categories=${categories.join()}`,
      `--chrome-flags=${["--headless=new", ...chromiumArgs()].join(" ")}`,
      // Disables telemetry.
      "--no-enable-error-reporting",
    ];
    rmSync(report, { force: true });
    const { code, output } = await run(process.execPath, [program, ...flags], {
      cwd: folder,
      env: { ...process.env, CHROME_PATH: chromium },
      timeoutMs: runMs,
    });
    const made = existsSync(report) ? JSON.parse(readFileSync(report, "utf8")) : undefined;
    if (code === 0 && made) return { report: made };
    // Lighthouse writes a report of most of its failures, too.
    const fault = made?.runtimeError?.code ?? "no report";
    const failure = `Lighthouse ended with exit code ${code}, ${fault}: ${lastLines(output, 30)}`;
    assert.ok(!faultsOfPages.includes(fault), failure);
    return { failure };
  };
}

/** The failed audits of a category. */
function failed({ categories, audits }, category) {
  return categories[category].auditRefs
    .filter(({ id, weight }) => weight > 0 && audits[id].score !== null && audits[id].score < 1)
    .map(({ id }) => `${id}: ${audits[id].displayValue ?? ""}`);
}

test("the pages pass Lighthouse's audits", async (t) => {
  const lighthouse = await install(t);
  const { volunteerUrl, dashboardUrl } = await startSample(t, {
    poster: "../../examples/mandelbrot/poster.json",
  });
  for (const url of [volunteerUrl, dashboardUrl]) {
    await t.test(
      url.endsWith("/volunteer/") ? "the volunteer page" : "the dashboard",
      async (t) => {
        let best = 0;
        const failures = [];
        for (let run = 0; run < runs && best < 0.9; run += 1) {
          const { report, failure } = await lighthouse(url);
          if (failure) {
            t.diagnostic(failure);
            failures.push(failure);
            continue;
          }
          for (const category of ["accessibility", "best-practices"]) {
            assert.deepEqual(failed(report, category), [], category);
            assert.equal(report.categories[category].score, 1, category);
          }
          best = Math.max(best, report.categories.performance.score);
          t.diagnostic(`performance ${report.categories.performance.score}`);
          if (best < 0.9) t.diagnostic(failed(report, "performance").join("; "));
        }
        assert.ok(best >= 0.9, [`performance is ${best}`, ...failures].join("\n"));
      },
    );
  }
});
