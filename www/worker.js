// All that a project's worker script is: what a core needs, and what it does with a job.

import { work } from "./pkg/distcompute_client.js";
import loadKernel, { Poster, Tile } from "./kernel/mandelbrot.js";
import { handler } from "./stages.js";

// The page hands the client's wasm over, compiled: no worker fetches it again.
work({ setup, handler });

async function setup() {
  const file = fetch(new URL("poster/poster.json", import.meta.url));
  const [answer] = await Promise.all([file, loadKernel()]);
  if (!answer.ok) throw new Error(`poster.json: ${answer.status} ${answer.statusText}`);
  return { Tile, poster: new Poster(await answer.json()) };
}
