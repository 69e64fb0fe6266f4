// The contender "engine": the complete worker script of a project.

import loadWasm, { work } from "/pkg/distcompute_client.js";
import { work as handle } from "./job.js";

await loadWasm();
work((job) => handle(job.data));
