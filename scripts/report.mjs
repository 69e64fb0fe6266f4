// Runs the steps of a test run one after the other and reports their results. Everything that the steps
// need is set up first, so that a missing browser is reported at once and not after ten minutes. A step
// that fails does not stop the next one, and the last line is always the total.

import { Failure, failureText, lastLines, withoutNoise } from "./failure.mjs";
import { sum } from "./counts.mjs";
import { duration, secondsSince } from "./progress.mjs";

/**
 * @typedef {import("./counts.mjs").Counts & { output?: string }} Outcome
 * @typedef {() => Promise<any>} Need makes sure of a tool, and resolves to what the step needs, for
 *   example its path
 * @typedef {{ name: string, what: string, needs: Need[],
 *   run: (of: (need: Need) => any) => Promise<Outcome> }} Step
 */

/**
 * Selects steps by name, or all if `words` is empty. `wasm:chromium` selects one step, `check` all
 * whose names start with `check:`.
 *
 * @param {Step[]} steps
 * @param {string[]} words
 */
export function chosen(steps, words) {
  const named = (word) => (step) => step.name === word || step.name.startsWith(`${word}:`);
  const unknown = words.find((word) => !steps.some(named(word)));
  if (unknown !== undefined) {
    throw new Failure(`There is no step called ${unknown}.`, {
      remedy: `choose from: ${steps.map(({ name }) => name).join(", ")}`,
    });
  }
  return steps.filter((step) => words.length === 0 || words.some((word) => named(word)(step)));
}

/** The last line of a run. Other programs parse it. */
export function lastLine({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

/**
 * Runs the steps and prints the report. Sets the exit code if any step has failed.
 *
 * @param {{ steps: Step[], command: string }} what `command` is the command that runs a single step
 */
export async function report({ steps, command }) {
  const ready = await setUp(steps);
  const outcomes = [];
  for (const step of steps) outcomes.push(await runStep(step, ready));
  console.log("");
  const failed = outcomes.filter((outcome) => outcome.failed > 0);
  for (const { name } of failed)
    console.log(`Failed: ${name}. To run only this step: ${command} ${name}`);
  const total = sum(outcomes);
  if (total.failed > 0) process.exitCode = 1;
  console.log(lastLine(total));
}

/** Sets up everything that the steps need, each thing once. */
async function setUp(steps) {
  const ready = new Map();
  for (const need of new Set(steps.flatMap(({ needs }) => needs))) {
    try {
      ready.set(need, { value: await need() });
    } catch (error) {
      console.log(`\n${failureText(error)}\n`);
      ready.set(need, { error });
    }
  }
  return ready;
}

async function runStep({ name, what, needs, run }, ready) {
  const since = performance.now();
  console.log(`\n== ${name}: ${what}`);
  const outcome = await attempt(needs, run, ready);
  if (outcome.failed > 0 && outcome.output)
    console.log(lastLines(withoutNoise(outcome.output), 500));
  console.log(`== ${name}: ${lastLine(outcome)} (${duration(secondsSince(since))})`);
  return { ...outcome, name };
}

async function attempt(needs, run, ready) {
  try {
    for (const need of needs) {
      const { error } = ready.get(need);
      if (error) throw error;
    }
    return await run((need) => ready.get(need).value);
  } catch (error) {
    return { passed: 0, failed: 1, skipped: 0, output: failureText(error) };
  }
}
