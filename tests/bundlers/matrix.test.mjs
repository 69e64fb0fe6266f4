// Runs the two scripts of README.md and the documented installation unchanged in every tool of
// docs/bundlers.md, with the tool's development server and with its build.
//
// DISTCOMPUTE_BUNDLERS=all tests every cell. By default the package is installed from its folder in all
// current versions. Links and tarballs are tested where they have made a difference before, and older
// versions where they differ most from the current ones.

import { after, before, test } from "node:test";

import { chromium } from "playwright-core";

import { chromiumArgs, ensureChromium } from "../../scripts/browsers.mjs";
import { buildPackage } from "../../scripts/build.mjs";
import { startTestTracker } from "../../scripts/servers.mjs";
import { install, makeToolProject, worksThrough } from "./cells.mjs";
import { tools } from "./tools.mjs";

const isAll = process.env.DISTCOMPUTE_BUNDLERS === "all";
const jobs = 12;

/** Cells that are tested by default besides the regular ones: tool, installation, mode. */
const alsoInShort = [
  // Its development server refuses to serve files outside the project.
  "Vite 8, link, develop",
  // Its workers are classic scripts, and esbuild bundles its dependencies.
  "Vite 7, folder, develop",
  "Vite 7, folder, build",
  "Rollup 4, tarball, build",
];

/** The cells of one tool, grouped by installation. */
function cellsOf(tool) {
  const modes = ["develop", "build"].filter((mode) => tool[mode]);
  const ways = ["folder", "tarball", ...(tool.links ? ["link"] : [])];
  return ways.map((how) => ({
    how,
    modes: modes.filter((mode) => {
      const isShort = tool.current && how === "folder";
      return isAll || isShort || alsoInShort.includes(`${tool.name}, ${how}, ${mode}`);
    }),
  }));
}

let browser;
before(async () => {
  browser = await chromium.launch({ executablePath: await ensureChromium(), args: chromiumArgs() });
});
after(() => browser.close());

for (const tool of tools) {
  const cells = cellsOf(tool).filter(({ modes }) => modes.length > 0);
  if (cells.length === 0) continue;
  test(tool.name, async (t) => {
    const { folder, remove } = await makeToolProject(tool, await buildPackage());
    t.after(remove);
    for (const { how, modes } of cells) {
      await install(folder, how);
      for (const mode of modes) {
        await t.test(`${tool.name}, ${how}, ${mode}`, async (t) => {
          const tracker = await startTestTracker({ project: "Bundlers", jobs });
          t.after(() => tracker.stop());
          await worksThrough({ tool, folder, mode, tracker, jobs, browser });
        });
      }
    }
  });
}
