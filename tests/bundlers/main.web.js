// The page with the published package, whose loader has to run first.

import loadWasm, { init } from "distcompute-client";
import { runPage } from "./page.js";

async function library() {
  await loadWasm();
  return init;
}

await runPage(
  library,
  () => new Worker(new URL("./worker.js", import.meta.url), { type: "module" }),
);
