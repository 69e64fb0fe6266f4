// The project's worker script: what each core loads at its start, and how it computes a job.

import { work } from "./pkg/distcompute_client.js";
import loadKernel, { Poster, Tile } from "./kernel/mandelbrot.js";
import { handler } from "./stages.js";

// The page sends the compiled wasm module of the client, so that no worker has to fetch it again.
work({ setup, handler });

async function setup() {
  const file = fetch(new URL("poster/poster.json", import.meta.url));
  const [answer] = await Promise.all([file, loadKernel()]);
  if (!answer.ok) throw new Error(`poster.json: ${answer.status} ${answer.statusText}`);
  return { Tile, poster: new Poster(await answer.json()) };
}
