// What is in the shards that volunteers have sent. They are untrusted: whatever is not as it should be is
// passed over.

/**
 * @typedef {{ url: string, title: string, text: string, language: string }} Page
 * @typedef {{ pages: Page[], bands: string[], counts: Map<string, number> }} Shard
 */

const jsonMark = "<!json!>";
/** The kernels write no more than this, so a larger shard is a bomb. */
const mostBytes = 12 * 2 ** 20;

/**
 * The address of the file in an output of stage e. Returns undefined if it names no file of the tracker.
 *
 * @param {unknown} data
 * @param {URL} tracker
 */
export function addressOf(data, tracker) {
  if (typeof data !== "string" || !data.startsWith(jsonMark)) return undefined;
  try {
    const { $file, url } = Object(Object(JSON.parse(data.slice(jsonMark.length))).file);
    // The tracker has given the file this address, unless it is no file.
    if (typeof $file !== "string" || typeof url !== "string") return undefined;
    const address = new URL(url, tracker);
    return address.origin === tracker.origin ? address : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Reads a shard. Resolves to undefined if it is none.
 *
 * @param {ReadableStream<Uint8Array<ArrayBuffer>>} gzip
 * @returns {Promise<Shard | undefined>}
 */
export async function readShard(gzip) {
  try {
    return parse(await decompress(gzip));
  } catch {
    return undefined;
  }
}

/** @param {ReadableStream<Uint8Array<ArrayBuffer>>} gzip */
async function decompress(gzip) {
  const reader = gzip.pipeThrough(new DecompressionStream("gzip")).getReader();
  const decoder = new TextDecoder();
  let [text, length] = ["", 0];
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return text + decoder.decode();
    length += value.length;
    if (length > mostBytes) {
      await reader.cancel();
      throw new Error("too large");
    }
    text += decoder.decode(value, { stream: true });
  }
}

/** @param {string} text */
function parse(text) {
  const lines = text
    .trimEnd()
    .split("\n")
    .map((line) => Object(JSON.parse(line)));
  const last = Object(lines.pop()?.counts);
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const [name, count] of Object.entries(last)) {
    if (Number.isSafeInteger(count) && count >= 0) counts.set(name, count);
  }
  const bands = lines.map((line) => string(line.bands));
  const pages = lines.map(({ url, title, text, language }) => {
    return {
      url: string(url),
      title: string(title),
      text: string(text),
      language: string(language),
    };
  });
  return { pages, bands, counts };
}

/** @param {unknown} value */
function string(value) {
  return typeof value === "string" ? value : "";
}

/** So many pages are looked at for near duplicates, because their keys stay in memory. */
const mostCompared = 10_000;

/** The sums over all shards. A job that is done again replaces its shard. */
export class DataSet {
  /** The counts of each shard. @type {Map<number, Map<string, number>>} */
  #counts = new Map();
  /** The languages of each shard's pages. @type {Map<number, Map<string, number>>} */
  #languages = new Map();
  /** The page that had a band's key first. */
  #bands = new Map();
  /** The number of pages of each shard that share a band with an earlier page. @type {Map<number, number>} */
  #duplicates = new Map();
  /** How many pages were looked at for near duplicates. */
  compared = 0;
  /** Some pages of the last shard that had any. @type {Page[]} */
  examples = [];

  /**
   * @param {number} number the job's
   * @param {Shard} shard
   */
  add(number, { pages, bands, counts }) {
    this.#counts.set(number, counts);
    const languages = new Map();
    for (const { language } of pages) languages.set(language, (languages.get(language) ?? 0) + 1);
    this.#languages.set(number, languages);
    if (this.compared < mostCompared) {
      if (!this.#duplicates.has(number)) this.compared += pages.length;
      this.#duplicates.set(
        number,
        bands.filter((keys, at) => this.#isDuplicate(keys, `${number} ${at}`)).length,
      );
    }
    if (pages.length > 0) {
      const step = Math.ceil(pages.length / 3);
      this.examples = pages.filter((_, at) => at % step === 0);
    }
  }

  /**
   * @param {string} keys
   * @param {string} page
   */
  #isDuplicate(keys, page) {
    let isDuplicate = false;
    for (let band = 0; band < 14; band += 1) {
      const key = `${band} ${keys.slice(band * 16, band * 16 + 16)}`;
      const first = this.#bands.get(key) ?? page;
      this.#bands.set(key, first);
      isDuplicate ||= first !== page && keys !== "";
    }
    return isDuplicate;
  }

  get shards() {
    return this.#counts.size;
  }

  get duplicates() {
    return [...this.#duplicates.values()].reduce((sum, count) => sum + count, 0);
  }

  /**
   * The sum of a count.
   *
   * @param {string} name
   */
  count(name) {
    return [...this.#counts.values()].reduce((sum, counts) => sum + (counts.get(name) ?? 0), 0);
  }

  /** The reasons for which pages were dropped, the most frequent first. */
  get reasons() {
    return sorted(this.#counts.values(), (name) => /^[a-z]+\.drop\.(\w+)$/.exec(name)?.[1]);
  }

  /** The languages of the pages, the most frequent first. */
  get languages() {
    return sorted(this.#languages.values(), (name) => name);
  }
}

/**
 * Adds up maps, and sorts the names by their sums.
 *
 * @param {Iterable<Map<string, number>>} maps
 * @param {(name: string) => string | undefined} rename
 * @returns {[string, number][]}
 */
function sorted(maps, rename) {
  const sums = new Map();
  for (const map of maps) {
    for (const [name, count] of map) {
      const renamed = rename(name);
      if (renamed) sums.set(renamed, (sums.get(renamed) ?? 0) + count);
    }
  }
  return [...sums].sort((one, other) => other[1] - one[1] || (one[0] < other[0] ? -1 : 1));
}
