// Ctrl-C, and what a service manager sends.

/** npx passes on what the terminal has sent already: so long a second signal is the first one, in milliseconds. */
const twiceMs = 250;

/**
 * Calls `on` for each SIGINT and SIGTERM. Returns a function that ends that.
 *
 * @param {(isFirst: boolean) => void} on
 */
export function onSignals(on) {
  let at;
  const signalled = () => {
    const now = performance.now();
    if (at !== undefined && now - at < twiceMs) return;
    const isFirst = at === undefined;
    at = now;
    on(isFirst);
  };
  const signals = /** @type {const} */ (["SIGINT", "SIGTERM"]);
  for (const signal of signals) process.on(signal, signalled);
  return () => {
    for (const signal of signals) process.off(signal, signalled);
  };
}
