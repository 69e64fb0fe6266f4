// The notebook of the sample `pi`, run with two headless browsers as volunteers.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { buildPackage, buildTracker } from "../../scripts/build.mjs";
import { root } from "../../scripts/places.mjs";
import { run, serve } from "../../scripts/process.mjs";
import { ensureNotebook } from "../../scripts/python.mjs";
import { listeningOn } from "../../scripts/start.mjs";
import { openBrowser, openPage } from "../e2e/browser.mjs";

const token = "a secret of some length";

test("the notebook adds jobs, waits for two browsers and plots their results", async (t) => {
  const python = await ensureNotebook();
  // The tracker serves the package, so the package is built first.
  await buildPackage();
  const { "distcompute-tracker": program } = await buildTracker();
  const folder = mkdtempSync(join(tmpdir(), "distcompute-notebook-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const tracker = await serve(
    program,
    [
      ...["serve", "--listen", "127.0.0.1:0", "--database", `sqlite:${join(folder, "pi.db")}`],
      ...["--project", "Pi", "--admin-token", token],
      ...["--files", `/volunteer=${join(root, "examples", "pi", "volunteer")}`],
    ],
    { ready: listeningOn },
  );
  t.after(() => tracker.stop());
  const pictures = join(root, "target", "notebook");
  mkdirSync(pictures, { recursive: true });
  rmSync(join(pictures, "pi.png"), { force: true });

  const notebook = run(python, [join(root, "tests", "notebook", "run.py"), pictures], {
    env: {
      ...process.env,
      PI_TRACKER: tracker.found,
      PI_TOKEN: token,
      PYTHONPATH: join(root, "packages", "python", "src"),
    },
    timeoutMs: 300_000,
  });
  for (const browser of [await openBrowser(t), await openBrowser(t)]) {
    const { page } = await openPage(browser, `${tracker.found}/volunteer/`);
    await page.click("#start:enabled");
  }
  const { code, output } = await notebook;
  assert.equal(code, 0, output);
  assert.match(output, /^100,000,000 points: π is about 3\.141\d\d$/m);
  assert.ok(existsSync(join(pictures, "pi.png")));
  const status = await (await fetch(`${tracker.found}/api/status`)).json();
  assert.equal(status.closed, 100);
});
