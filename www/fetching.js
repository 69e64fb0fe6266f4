// Requests of the page itself, as opposed to those of the client. A transfer is aborted when no data
// has arrived for a while. There is no limit for the whole, which slow connections would exceed.

/** How long no data may arrive before a transfer is aborted, in milliseconds. */
const idleTimeout = 30_000;

/** The tracker's response has an error status. */
export class Refused extends Error {
  name = "Refused";

  /** @param {Response} answer */
  constructor({ status }) {
    super(`the tracker answered with status ${status}`);
  }
}

/**
 * Fetches a text.
 *
 * @param {URL} url
 * @param {RequestInit} [options]
 * @returns {Promise<string>}
 */
export async function getText(url, { signal, ...options } = {}) {
  const controller = new AbortController();
  const abort = () => controller.abort();
  let timer = setTimeout(abort, idleTimeout);
  // `AbortSignal.any` would combine both signals, but the browsers of many phones lack it.
  signal?.addEventListener("abort", abort);
  if (signal?.aborted) abort();
  try {
    const answer = await fetch(url, { ...options, signal: controller.signal });
    if (!answer.ok) throw new Refused(answer);
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { value, done } = (await reader?.read()) ?? { done: true };
      if (done) return text;
      text += value;
      clearTimeout(timer);
      timer = setTimeout(abort, idleTimeout);
    }
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}

/**
 * Describes why a request failed, as the second half of a sentence.
 *
 * @param {unknown} error
 */
export function whyNot(error) {
  if (error instanceof Refused) return error.message;
  // `fetch` rejects with a bare TypeError for every kind of network failure.
  const network = error instanceof TypeError || Object(error).name === "AbortError";
  return network ? "the tracker cannot be reached" : String(error);
}
