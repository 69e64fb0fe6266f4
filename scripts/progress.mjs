// Reports what is being done, why, and for how long. A terminal gets one line that is rewritten, a log
// file a new line every half minute.

const everyMs = process.stderr.isTTY ? 1000 : 30_000;

/** Formats a number of seconds, for example `95` as `1 min 35 s`. */
export function duration(seconds) {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** Seconds since `since`, a value of `performance.now()`. */
export function secondsSince(since) {
  return (performance.now() - since) / 1000;
}

/**
 * Runs `work` and reports its progress under a heading. `work` gets a function that sets the status.
 *
 * @template T
 * @param {{ what: string, why?: string, about?: string }} heading
 * @param {(note: (text: string) => void) => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function progress({ what, why, about }, work) {
  const since = performance.now();
  const reasons = [why?.replace(/\.$/, ""), about && `takes about ${about}`]
    .filter(Boolean)
    .join("; ");
  console.error(`· ${what}${reasons ? ` (${reasons})` : ""}`);
  let note = "";
  const timer = setInterval(() => show(since, note), everyMs);
  timer.unref();
  try {
    const result = await work((text) => (note = text));
    clear();
    if (secondsSince(since) >= 1) console.error(`  done in ${duration(secondsSince(since))}`);
    return result;
  } catch (error) {
    clear();
    throw error;
  } finally {
    clearInterval(timer);
  }
}

function show(since, note) {
  const text = `  ${duration(secondsSince(since))}${note ? `: ${note}` : ""}`;
  if (!process.stderr.isTTY) return console.error(text);
  const width = (process.stderr.columns ?? 80) - 1;
  process.stderr.write(`\r\x1b[2K${text.slice(0, width)}`);
}

function clear() {
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[2K");
}

/** Returns a line listener that reports Cargo's output as "37 crates compiled, now sqlx-core v0.9.0". */
export function cargoNotes(note) {
  let compiled = 0;
  return (line) => {
    const crate = /^\s*(?:Compiling|Checking|Documenting) (\S+ v\S+)/.exec(line)?.[1];
    if (crate) return note(`${++compiled} crates compiled, now ${crate}`);
    if (/^\s*(Downloading|Downloaded|Updating|Locking) /.test(line)) note(line.trim());
  };
}
