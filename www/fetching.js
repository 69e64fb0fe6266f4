// What the page itself fetches. A transfer takes as long as it takes: it ends when nothing has come
// for a while, not after a fixed time, which a slow line would never keep.

/** So long may nothing come, in milliseconds. */
const silence = 30_000;

/** The tracker answered, but not with what was asked for. */
export class Refused extends Error {
  name = "Refused";

  /** @param {Response} answer */
  constructor({ status }) {
    super(`the tracker answered with status ${status}`);
  }
}

/**
 * The text at an address.
 *
 * @param {URL} url
 * @param {RequestInit} [options]
 * @returns {Promise<string>}
 */
export async function getText(url, { signal, ...options } = {}) {
  const quiet = new AbortController();
  let timer = setTimeout(() => quiet.abort(), silence);
  // `AbortSignal.any` is too new for many phones.
  const abort = () => quiet.abort();
  signal?.addEventListener("abort", abort);
  if (signal?.aborted) abort();
  try {
    const answer = await fetch(url, { ...options, signal: quiet.signal });
    if (!answer.ok) throw new Refused(answer);
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { value, done } = (await reader?.read()) ?? { done: true };
      if (done) return text;
      text += value;
      clearTimeout(timer);
      timer = setTimeout(() => quiet.abort(), silence);
    }
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}

/**
 * What kept something from being fetched, as the end of a sentence.
 *
 * @param {unknown} error
 */
export function whyNot(error) {
  if (error instanceof Refused) return error.message;
  // Browsers say no more than this of a network that failed.
  const network = error instanceof TypeError || Object(error).name === "AbortError";
  return network ? "the tracker cannot be reached" : String(error);
}
