// What the two ends of a tower need of JavaScript. No rule belongs here.

/** `count` epochs of five blob URLs; none, where the browser makes none. */
export function makeEpochs(count) {
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

/** What was said in these epochs, which are taken away. */
export function heard(epochs) {
  const said = [];
  while (epochs.length > 0 && isRevoked(epochs[0][0])) {
    const [, ...bits] = epochs.shift();
    const word = bits.reduce((sum, url, bit) => sum + (isRevoked(url) << bit), 0);
    // Everything: whoever made them is gone, or the page's security policy forbids them.
    if (word === 15) epochs.length = 0;
    else said.push(word);
  }
  return said;
}

/** Whether a blob URL has been revoked: the one thing that a busy worker can hear. */
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

let pillow;

/** Sleeps without giving the thread up. Whether that is possible here. */
export function nap(ms) {
  try {
    // Shared memory of WebAssembly is there without COOP and COEP, a SharedArrayBuffer is not.
    pillow ??= new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    return Atomics.wait(new Int32Array(pillow.buffer), 0, 0, ms) === "timed-out";
  } catch {
    return false;
  }
}
