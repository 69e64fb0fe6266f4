// The volunteer panel in Firefox, on a page of another origin with a strict policy, and in a frame without an
// origin. Chromium's tests of it are in tests/e2e/panel.test.mjs.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ensureFirefox, ensureGeckodriver } from "../../scripts/browsers.mjs";
import { serve } from "../../scripts/process.mjs";
import {
  jobs,
  pageWithFrame,
  pageWithPanel,
  startSite,
  startTracker,
  strictPolicy,
} from "../e2e/embedding.mjs";
import { untilTrue } from "../e2e/sample.mjs";

/** Starts Firefox by WebDriver. Resolves to a function that makes a call of the session. */
async function openFirefox(t) {
  const driver = await serve(await ensureGeckodriver(), ["--port", "0"], {
    ready: (line) => /Listening on (\S+)/.exec(line)?.[1],
  });
  let end = () => driver.stop();
  t.after(() => end());
  const ask = async (method, path, body) => {
    const response = await fetch(`http://${driver.found}${path}`, {
      method,
      headers: { "content-type": "application/json" },
      body: body && JSON.stringify(body),
    });
    const { value } = await response.json();
    assert.ok(response.ok, JSON.stringify(value));
    return value;
  };
  const firefox = { binary: await ensureFirefox(), args: ["-headless"] };
  const capabilities = { alwaysMatch: { "moz:firefoxOptions": firefox } };
  const { sessionId } = await ask("POST", "/session", { capabilities });
  end = async () => {
    await ask("DELETE", `/session/${sessionId}`);
    await driver.stop();
  };
  return (path, body) => ask("POST", `/session/${sessionId}${path}`, body);
}

/** Starts the panel of the page or frame, and waits until all jobs are done. */
async function volunteer(call) {
  const panel = `document.querySelector("distcompute-volunteer")`;
  const script = (code) => call("/execute/sync", { script: code, args: [] });
  await untilTrue(() => script(`return Boolean(${panel}?.shadowRoot?.querySelector("#start"))`));
  await script(`${panel}.shadowRoot.querySelector("#start").click()`);
  const status = `(${panel}.volunteer?.status ?? {})`;
  await untilTrue(
    () => script(`return ${status}.jobsDone === ${jobs}`),
    () => "not all jobs are done",
  );
  return await script(`return ${panel}.shadowRoot.querySelector("#settings").innerText`);
}

test("the panel computes on a page of another origin with a strict policy", async (t) => {
  const tracker = await startTracker(t);
  const site = await startSite(t, { "/": pageWithPanel(tracker) }, strictPolicy(tracker));
  const call = await openFirefox(t);
  await call("/url", { url: site });
  assert.ok(!(await volunteer(call)).includes("stores nothing"));
});

test("the panel computes in a sandboxed frame without an origin", async (t) => {
  const tracker = await startTracker(t);
  const policy = strictPolicy(tracker, { sandboxed: true });
  const site = await startSite(t, { "/framed": pageWithPanel(tracker) }, policy);
  const outer = await startSite(t, { "/": pageWithFrame(`${site}/framed`) });
  const call = await openFirefox(t);
  await call("/url", { url: outer });
  await call("/frame", { id: 0 });
  assert.match(await volunteer(call), /stores nothing/);
});
