// Runs each stage of the crawl example on all pieces, on one thread, and leaves the times in `measured`.

import loadKernel, * as kernel from "/kernel/crawl.js";

const steps = ["extract", "clean", "identify", "sign", "pack"];

async function bytesOf(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path} answers ${answer.status}`);
  return new Uint8Array(await answer.arrayBuffer());
}

async function measure() {
  await loadKernel();
  const count = Number(new URL(location.href).searchParams.get("pieces"));
  const times = steps.map(() => 0);
  for (let number = 1; number <= count; number += 1) {
    let bytes = await bytesOf(`/pieces/piece-${String(number).padStart(6, "0")}`);
    for (const [at, step] of steps.entries()) {
      const since = performance.now();
      bytes = kernel[step](bytes);
      times[at] += performance.now() - since;
    }
  }
  return { milliseconds: times };
}

measure().then(
  (found) => (window.measured = found),
  (error) => (window.measured = { error: String(error) }),
);
