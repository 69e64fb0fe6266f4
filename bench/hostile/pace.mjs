// The schedule of attackers, and how honest clients interpret answers. Pure functions.

/**
 * The time at which a step of an attack is due, in milliseconds from its start. All lanes start at once.
 * If the number of steps is given, the remaining ones are spread over the rest of the time.
 *
 * @param {number} count
 * @param {{ lanes: number, steps?: number, seconds: number }} attack
 */
export function dueMs(count, { lanes, steps, seconds }) {
  if (steps === undefined || count < lanes) return 0;
  if (count >= steps) return Infinity;
  return (1_000 * seconds * (count - lanes + 1)) / (steps - lanes + 1);
}

/** The statuses after which a client retries according to the protocol. */
const passing = new Set([408, 421, 425, 429, 502, 503, 504]);

/**
 * How long a client waits before it repeats a request, in milliseconds, or undefined if the answer is
 * final.
 *
 * @param {{ status?: number, headers?: Record<string, string> }} answer has no status if there was none
 */
export function retryMs({ status, headers }) {
  if (status === undefined) return 1_000;
  if (!passing.has(status)) return undefined;
  return 1_000 * (Number(headers?.["retry-after"]) || 1);
}

/**
 * The submitted results that the answer does not list as accepted.
 *
 * @param {{ lease: string }[]} done
 * @param {{ accepted: string[] }} answer
 */
export function refused(done, { accepted }) {
  const known = new Set(accepted);
  return done.filter(({ lease }) => !known.has(lease)).length;
}
