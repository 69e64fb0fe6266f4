// The picture: paints the tracker's results on a canvas as they arrive. Used by the volunteer page and
// by the dashboard's preview. Results are untrusted input from volunteers: a result that is malformed
// or has the wrong size is not painted.

import { getText } from "./fetching.js";
import { decodeBytes, decodeTimes, frame, tileCount } from "./tile.js";

/**
 * @typedef {import("./tile.js").Parameters} Parameters
 * @typedef {{ cursor: number, number: number, data?: string }} Result
 * @typedef {"none" | "rendered" | "checked"} State
 */

const jsonMark = "<!json!>";
/** The escape time that stands for a sample that never escapes. */
const inside = 0xffff;

/**
 * Returns the fields of a JSON result, or an empty object if it is not JSON.
 *
 * @param {string} data
 */
export function fields(data) {
  try {
    return data.startsWith(jsonMark) ? Object(JSON.parse(data.slice(jsonMark.length))) : {};
  } catch {
    return {};
  }
}

/**
 * Returns the RGBA pixels of a checked tile, or undefined if the result does not have that size.
 *
 * @param {{ width: number, height: number }} size
 * @param {string} data
 */
export function colouredPixels({ width, height }, data) {
  const rgb = decodeBytes(fields(data).rgb);
  if (rgb?.length !== width * height * 3) return undefined;
  const pixels = new Uint8ClampedArray(width * height * 4).fill(255);
  for (let at = 0; at < width * height; at += 1) {
    pixels.set(rgb.subarray(at * 3, at * 3 + 3), at * 4);
  }
  return pixels;
}

/**
 * Returns grey RGBA pixels for a tile that is rendered but not checked yet. Only one sample of each
 * pixel is used.
 *
 * @param {Parameters} poster
 * @param {{ width: number, height: number }} size
 * @param {string} data
 */
export function greyPixels(poster, { width, height }, data) {
  const { samples } = poster;
  const times = decodeTimes(fields(data).times);
  if (times?.length !== width * height * samples * samples) return undefined;
  const grey = greys(poster);
  const pixels = new Uint8ClampedArray(width * height * 4).fill(255);
  for (let at = 0; at < width * height; at += 1) {
    const row = Math.floor(at / width) * samples;
    const time = times[row * width * samples + (at % width) * samples] ?? inside;
    pixels.fill(grey(time), at * 4, at * 4 + 3);
  }
  return pixels;
}

/**
 * Returns a function from an escape time to the dimmed brightness of its colour in the palette.
 *
 * @param {Parameters} poster
 * @returns {(time: number) => number}
 */
function greys({ palette }) {
  const ring = palette.colours.map(brightness);
  return (time) => {
    if (time === inside) return 0.5 * brightness(palette.inside);
    const turns = palette.start + palette.turns * Math.log2(Math.max(1, time));
    const place = (turns - Math.floor(turns)) * ring.length;
    const from = ring[Math.floor(place) % ring.length] ?? 0;
    const to = ring[(Math.floor(place) + 1) % ring.length] ?? 0;
    return 24 + 0.5 * (from + (to - from) * (place % 1));
  };
}

/** @param {string} colour as #rrggbb */
function brightness(colour) {
  const number = Number.parseInt(colour.slice(1), 16);
  return 0.3 * (number >> 16) + 0.59 * ((number >> 8) & 255) + 0.11 * (number & 255);
}

export class Picture {
  #canvas;
  #context;
  #poster;
  /** The state of each tile at the tracker, as far as known. @type {State[]} */
  #known;
  /** The state in which each tile was last painted. @type {State[]} */
  #painted;
  /** For each stage, the cursor of the last result that was listed. @type {Record<string, string>} */
  #cursors = { a: "", b: "" };
  /** Whether the canvas is in or near the viewport. */
  #isInView = true;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {Parameters} poster
   */
  constructor(canvas, poster) {
    canvas.width = poster.width;
    canvas.height = poster.height;
    const context = canvas.getContext("2d");
    if (!context) throw new Error("This browser cannot paint on a canvas.");
    this.#canvas = canvas;
    this.#context = context;
    this.#poster = poster;
    this.#known = Array.from({ length: tileCount(poster) }, () => "none");
    this.#painted = [...this.#known];
    this.#paintGrid();
    // The margin starts the painting shortly before the canvas is scrolled into view.
    const seen = new IntersectionObserver(
      (entries) => (this.#isInView = entries.at(-1)?.isIntersecting ?? true),
      { rootMargin: "50%" },
    );
    seen.observe(canvas);
  }

  /** Draws the outline of every tile. */
  #paintGrid() {
    this.#context.strokeStyle = "rgb(255 255 255 / 9%)";
    for (let index = 0; index < this.#known.length; index += 1) {
      const place = frame(this.#poster, index);
      if (place) this.#context.strokeRect(place.x, place.y, place.width, place.height);
    }
  }

  get counts() {
    /** @param {State} state */
    const having = (state) => this.#known.filter((tile) => tile === state).length;
    return { tiles: this.#known.length, checked: having("checked"), rendered: having("rendered") };
  }

  /** Whether all tiles are checked, and painted if the canvas is in view. */
  get finished() {
    const checked = this.#known.every((tile) => tile === "checked");
    return checked && (!this.#isInView || this.isPainted);
  }

  /** Whether every tile is painted in its latest known state. */
  get isPainted() {
    return this.#known.every((tile, index) => tile === this.#painted[index]);
  }

  /** Whether there are tiles to fetch that would be visible. */
  get isBehind() {
    return this.#isInView && !this.isPainted;
  }

  /**
   * Lists the results that were added since the last call, without their data. Rejects if the tracker
   * cannot be reached.
   *
   * @param {URL} tracker
   * @param {AbortSignal} signal
   */
  async learn(tracker, signal) {
    for (const stage of /** @type {const} */ (["b", "a"])) {
      for (;;) {
        const after = this.#cursors[stage];
        const query = { stage, data: "false", limit: "10000", ...(after && { after }) };
        const lines = await results(tracker, query, signal);
        for (const { number } of lines) this.#note(stage, number - 1);
        const last = lines.at(-1);
        if (!last) break;
        this.#cursors[stage] = String(last.cursor);
      }
    }
  }

  /**
   * @param {"a" | "b"} stage
   * @param {number} index
   */
  #note(stage, index) {
    const known = this.#known[index];
    if (known === undefined || (stage === "a" && known === "checked")) return;
    this.#known[index] = stage === "b" ? "checked" : "rendered";
    // The result replaces an earlier one of the same stage, so the tile has to be painted again.
    if (this.#painted[index] === this.#known[index]) this.#painted[index] = "none";
  }

  /**
   * Fetches and paints some tiles: first those that are checked, then those that are only rendered.
   *
   * @param {URL} tracker
   * @param {number} most the maximum number of tiles
   * @param {AbortSignal} signal
   */
  async paintSome(tracker, most, signal) {
    const behind = this.#known.flatMap((tile, at) => (tile === this.#painted[at] ? [] : [at]));
    const checked = behind.filter((at) => this.#known[at] === "checked");
    const stage = checked.length > 0 ? "b" : "a";
    const wanted = (stage === "b" ? checked : behind).slice(0, most);
    const numbers = wanted.map((at) => at + 1).join();
    for (const result of await results(tracker, { stage, numbers }, signal)) {
      this.#paint(stage, result);
    }
    // Tiles whose result is missing or malformed count as painted too, so that they are not requested
    // again and again.
    for (const at of wanted) this.#painted[at] = this.#known[at] ?? "none";
  }

  /**
   * @param {"a" | "b"} stage
   * @param {Result} result
   */
  #paint(stage, { number, data = "" }) {
    const place = frame(this.#poster, number - 1);
    if (!place) return;
    const pixels =
      stage === "b" ? colouredPixels(place, data) : greyPixels(this.#poster, place, data);
    if (!pixels) return;
    this.#context.putImageData(new ImageData(pixels, place.width, place.height), place.x, place.y);
  }

  /** Encodes the picture as a PNG file. @returns {Promise<Blob>} */
  async toFile() {
    return await new Promise((resolve, reject) => {
      const failed = new Error("This browser cannot save the picture as a file.");
      this.#canvas.toBlob((file) => (file ? resolve(file) : reject(failed)), "image/png");
    });
  }
}

/**
 * Requests a list of results from the tracker.
 *
 * @param {URL} tracker
 * @param {Record<string, string>} query
 * @param {AbortSignal} signal
 * @returns {Promise<Result[]>}
 */
async function results(tracker, query, signal) {
  const url = new URL("api/results", tracker);
  url.search = String(new URLSearchParams(query));
  const text = await getText(url, { signal, priority: "low" });
  const lines = text.split("\n").filter(Boolean);
  return lines.map((line) => JSON.parse(line));
}

/** The number of tiles in a request is adapted so that each request takes about this long, in ms. */
const requestMs = 1000;
const mostTiles = 20;

/**
 * Keeps a picture up to date while it is visible, until it is finished.
 *
 * @param {Picture} picture
 * @param {object} options
 * @param {URL} options.tracker
 * @param {(error?: unknown) => void} options.changed
 * @param {() => number} [options.share] the share of the time that may be spent on fetching tiles, from
 *   0 (none for now) to 1
 */
export function follow(picture, { tracker, changed, share = () => 1 }) {
  let portion = 2;
  let transfer = new AbortController();

  /** Fetches tiles until all are painted, or until other transfers take precedence. */
  async function paint() {
    while (picture.isBehind && share() > 0 && !document.hidden) {
      const began = performance.now();
      await picture.paintSome(tracker, portion, transfer.signal);
      changed();
      const took = Math.max(1, performance.now() - began);
      portion = Math.max(
        1,
        Math.min(mostTiles, Math.round((portion * requestMs) / took), 2 * portion),
      );
      const part = share();
      if (part > 0 && part < 1) await pause(took * (1 / part - 1));
    }
  }

  async function run() {
    for (let quiet = 0; !picture.finished; quiet += 1) {
      await untilVisible();
      transfer = new AbortController();
      const before = JSON.stringify(picture.counts);
      try {
        await picture.learn(tracker, transfer.signal);
        changed();
        await paint();
      } catch (error) {
        if (!transfer.signal.aborted) changed(error);
      }
      if (JSON.stringify(picture.counts) !== before) quiet = 0;
      // Exponential backoff while nothing changes, with jitter so that visitors spread their requests.
      await pause(Math.min(15_000, 1500 * 1.2 ** quiet) * (0.75 + Math.random() / 2));
    }
    changed();
  }

  run();
  return {
    /** Aborts the transfer in progress, to free the connection for something more important. */
    interrupt: () => transfer.abort(),
  };
}

/**
 * @param {number} ms
 * @returns {Promise<void>}
 */
function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** @returns {Promise<void>} */
function untilVisible() {
  return new Promise((resolve) => {
    const look = () => {
      if (document.hidden) return;
      document.removeEventListener("visibilitychange", look);
      resolve();
    };
    document.addEventListener("visibilitychange", look);
    look();
  });
}
