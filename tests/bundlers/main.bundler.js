// The page's script for the package for bundlers, which loads its wasm by itself.

import { init } from "distcompute-client";
import { runPage } from "./page.js";

await runPage(
  async () => init,
  () => new Worker(new URL("./worker.js", import.meta.url), { type: "module" }),
);
