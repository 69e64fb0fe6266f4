// How many tests passed, failed and were skipped, read from what test runners print.
// One function a runner; each takes the whole output.

/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */

/** @returns {Counts} */
export function sum(list) {
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const counts of list) {
    for (const key of Object.keys(total)) total[key] += counts[key];
  }
  return total;
}

/** Cargo's tests, native or in a browser: one line a test program. */
export function libtest(output) {
  const line = /^test result: .*?(\d+) passed; (\d+) failed; (\d+) ignored/gm;
  return sum(
    [...output.matchAll(line)].map(([, passed, failed, ignored]) => ({
      passed: Number(passed),
      failed: Number(failed),
      skipped: Number(ignored),
    })),
  );
}

/** The simulation: each world counts. */
export function worlds(output) {
  const found = /^(\d+) passed; (\d+) failed$/m.exec(output) ?? [];
  return { passed: Number(found[1] ?? 0), failed: Number(found[2] ?? 0), skipped: 0 };
}

/** Node's runner, in its `spec` or its `tap` form. */
export function nodeTest(output) {
  const count = (name) => {
    const found = [...output.matchAll(new RegExp(`^(?:ℹ|#) ${name} (\\d+)$`, "gm"))];
    return found.reduce((all, [, number]) => all + Number(number), 0);
  };
  // A test that was cancelled did not show what it should.
  const failed = count("fail") + count("cancelled");
  const skipped = count("skipped") + count("todo");
  // A file in which no test stands is reported as a test that passed, under the file's name.
  const empty = [...output.matchAll(/^(?:✔|ok \d+ -) (\S*\.test\.mjs)(?: \(|$)/gm)].length;
  return { passed: count("pass") - empty, failed: failed + empty, skipped };
}

/** Python's unittest, or pytest. */
export function python(output) {
  const ran = /^Ran (\d+) tests? in /m.exec(output);
  if (ran) return unittest(output, Number(ran[1]));
  const summary = /^=+ (.*(?:passed|failed|error|skipped).*) in [\d.]+s/m.exec(output)?.[1] ?? "";
  const count = (name) => Number(new RegExp(`(\\d+) ${name}`).exec(summary)?.[1] ?? 0);
  return {
    passed: count("passed") + count("xfailed"),
    failed: count("failed") + count("error") + count("xpassed"),
    skipped: count("skipped"),
  };
}

function unittest(output, ran) {
  const summary = /^(?:OK|FAILED) \((.*)\)$/m.exec(output)?.[1] ?? "";
  // `failures` also ends `expected failures`, hence the word's beginning.
  const count = (name) => Number(new RegExp(`(?:^|, )${name}=(\\d+)`).exec(summary)?.[1] ?? 0);
  const failed = count("failures") + count("errors") + count("unexpected successes");
  const skipped = count("skipped");
  // A fault in a module's or class's setup is an error without a test of its own.
  return { passed: Math.max(0, ran - failed - skipped), failed, skipped };
}

/**
 * What a step counts for: a runner that failed without saying so, and one that ran nothing, are
 * one failure.
 *
 * @param {Counts} counts
 * @param {number} code the runner's exit code
 * @returns {Counts}
 */
export function judged(counts, code) {
  const ran = counts.passed + counts.failed;
  const unexplained = code !== 0 && counts.failed === 0;
  return unexplained || ran === 0 ? { ...counts, failed: counts.failed + 1 } : counts;
}

/** Whether cargo-deny could not get the database of advisories, so that it says nothing of them. */
export function cannotFetchAdvisories(output) {
  return /failed to fetch advisory database/.test(output);
}
