// The picture: paints results on a canvas as they come in from the tracker. Used by the volunteer
// page and by the dashboard's preview. Results are strangers' text: what does not fit is not painted.

import { decodeBytes, decodeTimes, frame, tileCount } from "./tile.js";

/**
 * @typedef {import("./tile.js").Parameters} Parameters
 * @typedef {{ number: number, data: string }} Result
 */

const jsonMark = "<!json!>";
/** What stands for a sample that does not escape. */
const inside = 0xffff;
/** Results of a stage are fetched in portions, so that tiles appear as they arrive. */
const portion = 20;

/**
 * The fields of a result's text; an empty object where it is not JSON.
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
 * Red, green, blue and opacity of a checked tile's pixels; undefined if the result does not fit.
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
 * The same in grey, from the times of a tile that nobody has checked yet: one sample a pixel.
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
 * How bright the palette is at a time, dimmed.
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
  #context;
  #poster;
  /** What each tile shows so far. @type {("none" | "rendered" | "checked")[]} */
  #tiles;
  /** Behind which result each stage is asked for more. @type {Record<string, string>} */
  #cursors = { a: "", b: "" };

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {Parameters} poster
   */
  constructor(canvas, poster) {
    canvas.width = poster.width;
    canvas.height = poster.height;
    const context = canvas.getContext("2d");
    if (!context) throw new Error("This browser cannot paint on a canvas.");
    this.#context = context;
    this.#poster = poster;
    this.#tiles = Array.from({ length: tileCount(poster) }, () => "none");
    this.#paintGrid();
  }

  /** What is to be painted: an empty place for each tile. */
  #paintGrid() {
    this.#context.strokeStyle = "rgb(255 255 255 / 9%)";
    for (let index = 0; index < this.#tiles.length; index += 1) {
      const place = frame(this.#poster, index);
      if (place) this.#context.strokeRect(place.x, place.y, place.width, place.height);
    }
  }

  get counts() {
    /** @param {string} state */
    const having = (state) => this.#tiles.filter((tile) => tile === state).length;
    return { tiles: this.#tiles.length, checked: having("checked"), rendered: having("rendered") };
  }

  get finished() {
    return this.#tiles.every((tile) => tile === "checked");
  }

  /**
   * Fetches and paints what is new. Rejects where the tracker does not answer.
   *
   * @param {URL} tracker
   * @param {AbortSignal} signal
   * @param {() => void} painted called after each portion
   */
  async update(tracker, signal, painted) {
    for (const stage of /** @type {const} */ (["b", "a"])) {
      // Checked tiles come first: with all of them there is nothing that the others could add.
      while (!this.finished) {
        const results = await this.#fetch(tracker, stage, signal);
        for (const result of results) this.#paint(stage, result);
        if (results.length === 0) break;
        painted();
      }
    }
  }

  /**
   * @param {URL} tracker
   * @param {"a" | "b"} stage
   * @param {AbortSignal} signal
   * @returns {Promise<Result[]>}
   */
  async #fetch(tracker, stage, signal) {
    const url = new URL("api/results", tracker);
    const after = this.#cursors[stage];
    url.search = String(
      new URLSearchParams({ stage, limit: String(portion), ...(after && { after }) }),
    );
    const answer = await fetch(url, { signal });
    if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
    const lines = (await answer.text()).split("\n").filter(Boolean);
    const results = lines.map((line) => JSON.parse(line));
    const last = results.at(-1);
    if (last) this.#cursors[stage] = String(last.cursor);
    return results;
  }

  /**
   * @param {"a" | "b"} stage
   * @param {Result} result
   */
  #paint(stage, { number, data }) {
    const index = number - 1;
    const place = frame(this.#poster, index);
    if (!place || (stage === "a" && this.#tiles[index] === "checked")) return;
    const pixels =
      stage === "b" ? colouredPixels(place, data) : greyPixels(this.#poster, place, data);
    if (!pixels) return;
    this.#context.putImageData(new ImageData(pixels, place.width, place.height), place.x, place.y);
    this.#tiles[index] = stage === "b" ? "checked" : "rendered";
  }
}

/**
 * Keeps a picture up to date while somebody can see it, until it is finished.
 *
 * @param {Picture} picture
 * @param {URL} tracker
 * @param {(error?: unknown) => void} changed
 */
export async function follow(picture, tracker, changed) {
  for (let quiet = 0; !picture.finished; quiet += 1) {
    await untilVisible();
    try {
      const painted = () => {
        quiet = 0;
        changed();
      };
      await picture.update(tracker, AbortSignal.timeout(30_000), painted);
    } catch (error) {
      changed(error);
    }
    // Slower and slower while nothing happens, and not all visitors at the same moment.
    const ms = Math.min(15_000, 1500 * 1.2 ** quiet) * (0.75 + Math.random() / 2);
    await new Promise((resolve) => setTimeout(resolve, ms));
  }
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
