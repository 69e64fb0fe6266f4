// The worker's script for the package for bundlers, which loads its wasm by itself.

import { init } from "distcompute-client";
import { answerPage } from "./page.js";

answerPage(async () => init);
