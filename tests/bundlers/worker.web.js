// The worker with the published package, whose loader has to run first.

import loadWasm, { init } from "distcompute-client";
import { answerPage } from "./page.js";

answerPage(async () => {
  await loadWasm();
  return init;
});
