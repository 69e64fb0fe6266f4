// The React hook of docs/volunteer-page.md in an application. It uses the volunteer as an external store,
// which requires that a snapshot stays the same object until something changes.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";

import { chromium } from "playwright-core";

import { chromiumArgs, ensureChromium } from "../../scripts/browsers.mjs";
import { buildPackage } from "../../scripts/build.mjs";
import { startTestTracker } from "../../scripts/servers.mjs";
import { install, makeToolProject } from "./cells.mjs";
import { documentedScript } from "./docs.mjs";
import { runIn } from "./project.mjs";
import { serveFolder } from "./site.mjs";

const jobs = 12;

const application = (tracker) => `
import loadWasm, { Volunteer } from "distcompute-client";
import { createElement } from "react";
import { createRoot } from "react-dom/client";
import { useVolunteer } from "./use-volunteer.js";

function Panel({ volunteer }) {
  const { state, jobsDone } = useVolunteer(volunteer);
  const start = createElement("button", { onClick: () => volunteer.start() }, "Start");
  return createElement("main", null, start, createElement("p", null, state, ": ", jobsDone));
}

loadWasm().then(() => {
  const volunteer = new Volunteer({
    url: "${tracker.url}",
    stage: "a",
    spawn: () => new Worker(new URL("./worker.js", import.meta.url), { type: "module" }),
  });
  createRoot(document.querySelector("#root")).render(createElement(Panel, { volunteer }));
});
`;

test("React renders the status from the documented hook, without endless updates", async (t) => {
  const tracker = await startTestTracker({ project: "React", jobs });
  t.after(() => tracker.stop());
  const tool = {
    packages: ["esbuild@0.28.2", "react@19.3.1", "react-dom@19.3.1"],
    files: {
      "dist/index.html":
        '<!doctype html>\n<meta charset="utf-8" />\n<title>React</title>\n' +
        '<div id="root"></div>\n<script type="module" src="page.js"></script>\n',
      "page.js": application(tracker),
      "use-volunteer.js": documentedScript(
        "use-volunteer.js",
        tracker.url,
        "docs/volunteer-page.md",
      ),
      "worker.js": documentedScript("worker.js", tracker.url),
    },
  };
  const { folder, remove } = await makeToolProject(tool, await buildPackage());
  t.after(remove);
  await install(folder, "folder");
  // React checks its snapshots where it is built for development.
  await runIn(folder, join(folder, "node_modules", ".bin", "esbuild"), [
    ...["page.js", "worker.js", "--bundle", "--format=esm", "--outdir=dist"],
    '--define:process.env.NODE_ENV="development"',
  ]);
  const site = await serveFolder(join(folder, "dist"));
  t.after(() => site.stop());
  const browser = await chromium.launch({
    executablePath: await ensureChromium(),
    args: chromiumArgs(),
  });
  t.after(() => browser.close());
  const page = await browser.newPage();
  const complaints = [];
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(site.url);
  await page.getByText("stopped: 0").waitFor();
  await page.getByRole("button").click();
  await page.getByText(new RegExp(`: ${jobs}$`)).waitFor({ timeout: 120_000 });
  const notFound = /favicon|404/;
  assert.deepEqual(
    complaints.filter((text) => !notFound.test(text)),
    [],
  );
});
