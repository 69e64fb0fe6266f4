// The JavaScript of out-of-band signals, which a worker can read while its event loop is blocked: see
// signals.rs.

/** `count` slots of five blob URLs each; none, where the browser makes none. */
export function makeSlots(count) {
  try {
    const blob = new Blob(["1"]);
    const url = () => URL.createObjectURL(blob);
    return Array.from({ length: count }, () => Array.from({ length: 5 }, url));
  } catch {
    return [];
  }
}

export function revoke(url) {
  URL.revokeObjectURL(url);
}

/** The signals in these slots, of which those that were used are removed. */
export function readSignals(slots) {
  const signals = [];
  while (slots.length > 0 && isRevoked(slots[0][0])) {
    const [, ...bits] = slots.shift();
    const signal = bits.reduce((sum, url, bit) => sum + (Number(isRevoked(url)) << bit), 0);
    // All bits: the hub that made them is gone, or the page's security policy forbids to read them.
    if (signal === 15) slots.length = 0;
    else signals.push(signal);
  }
  return signals;
}

/** Whether a blob URL has been revoked: the one change that a blocked worker can observe. */
function isRevoked(url) {
  try {
    const request = new XMLHttpRequest();
    request.open("GET", url, false);
    request.send();
    return request.status !== 200;
  } catch {
    return true;
  }
}

let memory;

/** Sleeps without giving the thread up. Whether that is possible here. */
export function sleep(ms) {
  try {
    // Shared memory of WebAssembly is there without COOP and COEP, a SharedArrayBuffer is not.
    memory ??= new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    return Atomics.wait(new Int32Array(memory.buffer), 0, 0, ms) === "timed-out";
  } catch {
    return false;
  }
}
