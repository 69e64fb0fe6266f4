// Runs case after case, each batch in a window of its own, and makes what fails as simple as it can.

import { Choices, shrunk } from "./choices.js";

/** A window is thrown away after so many cases, with all that they have left in it: each wasm takes
 * gigabytes of addresses. */
const batch = 25;

/** So long a failing case is tried in simpler forms. */
const shrinkMs = 30_000;

/** A fresh window, and what does a case in it. */
async function open() {
  const frame = document.createElement("iframe");
  const ready = new Promise((...ways) => ([frame.begun, frame.failed] = ways));
  // Where it is written itself, not all engines know where that is.
  const targets = new URL("/tests/fuzz/targets.js", location.href);
  frame.srcdoc = `<script type="module">
    import("${targets}").then(frameElement.begun, frameElement.failed);
  </script>`;
  document.body.append(frame);
  const { failureOf, cases } = await ready;
  return { failureOf, cases, close: () => frame.remove() };
}

/** What is wrong with one case, in a window of its own. */
async function alone(target, choices) {
  const { failureOf, close } = await open();
  try {
    return await failureOf(target, choices);
  } finally {
    close();
  }
}

/**
 * Resolves to how many cases there were, of which those that were found before are the ones without a target; or to
 * what is wrong with the last one.
 *
 * @param {string} target
 */
export async function run(target) {
  try {
    return await (target ? fuzzFor(target) : mended());
  } catch (error) {
    return `${error}\n${error.stack}`;
  }
}

/** Resolves to how many of the cases that were found before are all right; rejects with what is not. */
async function mended() {
  const { failureOf, cases, close } = await open();
  for (const name of cases) {
    const failure = await failureOf(name, Choices.again([]));
    if (failure) throw new Error(`${name}:\n${failure}`);
  }
  close();
  return cases.length;
}

/** Runs cases for as long and from where on the scripts say that started the test. */
async function fuzzFor(target) {
  const { fuzz: how } = await (await fetch("/target/test-servers.json")).json();
  return await fuzz(target, how);
}

/**
 * Resolves to how many cases there were, none of which failed; rejects with the first that did.
 *
 * @param {string} target which of `targets.js`
 * @param {{ seed: number, ms: number, cases?: number }} how the first case's seed, and for how long
 *   and how many of them at most
 */
export async function fuzz(target, { seed, ms, cases = Infinity }) {
  const end = performance.now() + ms;
  let count = 0;
  let opened;
  while (count === 0 || (count < cases && performance.now() < end)) {
    if (count % batch === 0) {
      opened?.close();
      opened = await open();
    }
    const choices = Choices.from(seed + count);
    const failure = await opened.failureOf(target, choices);
    if (failure) throw new Error(await told(target, seed + count, choices.taken, failure));
    count += 1;
  }
  opened.close();
  return count;
}

async function told(target, seed, taken, failure) {
  let last = failure;
  const fails = async (choices) => {
    const failure = await alone(target, Choices.again(choices));
    last = failure ?? last;
    return failure !== undefined;
  };
  const simple = await shrunk(taken, fails, performance.now() + shrinkMs);
  const how = `DISTCOMPUTE_FUZZ_SEED=${seed} npm test -- wasm`;
  return `${target}, seed ${seed} (${how}):\n${last}\nchoices: ${JSON.stringify(simple)}`;
}
