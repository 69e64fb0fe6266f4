// Parses the numbers of passed, failed and skipped tests from the output of test runners. There is one
// function for each runner, which takes the whole output.

/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */

/** @returns {Counts} */
export function sum(list) {
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const counts of list) {
    for (const key of Object.keys(total)) total[key] += counts[key];
  }
  return total;
}

/** Cargo's tests, native or in a browser, which print one line for each test program. */
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

/** The simulation, in which each scenario counts as one test. */
export function worlds(output) {
  const found = /^(\d+) passed; (\d+) failed$/m.exec(output) ?? [];
  return { passed: Number(found[1] ?? 0), failed: Number(found[2] ?? 0), skipped: 0 };
}

/** Node's test runner, with its `spec` or its `tap` reporter. */
export function nodeTest(output) {
  const count = (name) => {
    const found = [...output.matchAll(new RegExp(`^(?:ℹ|#) ${name} (\\d+)$`, "gm"))];
    return found.reduce((all, [, number]) => all + Number(number), 0);
  };
  // A cancelled test counts as failed.
  const failed = count("fail") + count("cancelled");
  const skipped = count("skipped") + count("todo");
  // Node reports a file without tests as one passed test with the name of the file.
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
  // The pattern is anchored, because "expected failures" ends with "failures" too.
  const count = (name) => Number(new RegExp(`(?:^|, )${name}=(\\d+)`).exec(summary)?.[1] ?? 0);
  const failed = count("failures") + count("errors") + count("unexpected successes");
  const skipped = count("skipped");
  // An error in the setup of a module or class is counted although no test ran for it.
  return { passed: Math.max(0, ran - failed - skipped), failed, skipped };
}

/**
 * Adds one failure if the runner's exit code reports a failure that its output does not, or if no test
 * ran at all.
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

/** Whether cargo-deny could not fetch the advisory database, so that it has checked no advisories. */
export function cannotFetchAdvisories(output) {
  return /failed to fetch advisory database/.test(output);
}
