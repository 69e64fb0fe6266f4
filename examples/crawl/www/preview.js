// The data set so far: figures, languages, reasons and some pages, as shards arrive. The dashboard embeds
// it, and the volunteer page shows it in the panel. Everything is written as text.

import { DataSet, addressOf, readShard } from "./shards.js";

const tracker = new URL("../", document.baseURI);
const place = /** @type {HTMLElement} */ (document.getElementById("figures"));
const set = new DataSet();
let after = "";

/** After so many shards the figures are shown. Each may have some hundred kilobytes. */
const portion = 4;

/** Fetches the shards that were added. Returns whether there may be more. */
async function learn() {
  const url = new URL("api/results", tracker);
  url.search = String(
    new URLSearchParams({ stage: "e", limit: String(portion), ...(after && { after }) }),
  );
  const lines = (await getText(url)).split("\n").filter(Boolean);
  for (const line of lines) {
    const { cursor, number, data } = JSON.parse(line);
    const address = addressOf(data, tracker);
    const shard = address && (await readShard(await getBody(address)));
    if (shard) set.add(number, shard);
    after = String(cursor);
  }
  return lines.length === portion;
}

/** @param {URL} url */
async function get(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`the tracker answered with status ${answer.status}`);
  return answer;
}

/** @param {URL} url */
const getText = async (url) => await (await get(url)).text();

/** @param {URL} url */
async function getBody(url) {
  const { body } = await get(url);
  if (!body) throw new Error("the tracker has answered without a file");
  return body;
}

/**
 * @param {string} name
 * @param {Record<string, string>} attributes
 * @param {(Node | string)[]} children
 */
function make(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const format = new Intl.NumberFormat("en");
const names = new Intl.DisplayNames("en", { type: "language", fallback: "code" });

/** @param {string} code */
function languageName(code) {
  try {
    // The browsers know Mandarin as Chinese.
    return names.of(code === "cmn" ? "zh" : code) ?? code;
  } catch {
    return "unknown";
  }
}

/**
 * A list of names with bars.
 *
 * @param {string} title
 * @param {[string, number][]} rows
 */
function bars(title, rows) {
  const most = Math.max(1, ...rows.map(([, count]) => count));
  const items = rows.map(([name, count]) => {
    const meter = make("progress", {
      max: String(most),
      value: String(count),
      "aria-hidden": "true",
    });
    return make("li", {}, make("span", {}, name), meter, make("span", {}, format.format(count)));
  });
  return make("section", {}, make("h2", {}, title), make("ul", { class: "bars" }, ...items));
}

/** @param {import("./shards.js").Page} page */
function example({ url, title, text, language }) {
  const start = text.length > 220 ? `${text.slice(0, 220)}…` : text;
  const about = `${languageName(language)}, ${url.slice(0, 100)}`;
  return make(
    "article",
    { dir: "auto" },
    make("h3", {}, title || "Without a title"),
    make("p", {}, start),
    make("small", {}, about),
  );
}

/** Not all pages of a large data set are compared here. */
function duplicatesLabel() {
  const some = set.compared < set.count("pack.pages");
  return some ? `near duplicates in ${format.format(set.compared)}` : "near duplicates";
}

/**
 * @param {any} status
 * @param {unknown} [error]
 */
function show(status, error) {
  const { jobs = 0, closed = 0 } = Object(status);
  const kept = set.count("pack.pages");
  const figures = [
    ["pieces done", `${format.format(closed)} of ${format.format(jobs)}`],
    ["pages read", format.format(set.count("extract.record.response"))],
    ["pages kept", format.format(kept)],
    [duplicatesLabel(), format.format(set.duplicates)],
    ["characters", format.format(set.count("pack.characters"))],
    ["images with texts", format.format(set.count("pack.images"))],
  ];
  const list = figures.map(([name = "", value = ""]) =>
    make("div", {}, make("dt", {}, name), make("dd", {}, value)),
  );
  const languages = set.languages.map(
    ([code, count]) => /** @type {[string, number]} */ ([languageName(code), count]),
  );
  const reasons = set.reasons.map(
    ([code, count]) => /** @type {[string, number]} */ ([code.replaceAll("_", " "), count]),
  );
  const parts = [make("dl", {}, ...list)];
  if (error)
    parts.push(make("p", { role: "status" }, `These figures may be out of date: ${error}.`));
  if (set.shards === 0) parts.push(make("p", {}, "No piece has passed all stages yet."));
  if (languages.length > 0) parts.push(bars("Languages", languages.slice(0, 8)));
  if (reasons.length > 0) parts.push(bars("Why pages were dropped", reasons.slice(0, 8)));
  if (set.examples.length > 0) {
    parts.push(
      make(
        "section",
        { class: "pages" },
        make("h2", {}, "From the last shard"),
        ...set.examples.map(example),
      ),
    );
  }
  place.replaceChildren(...parts);
}

/** @param {number} ms */
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

let status;
for (let quiet = 0; ; quiet += 1) {
  const before = after;
  try {
    status = JSON.parse(await getText(new URL("api/status", tracker)));
    let isMore = true;
    while (isMore) {
      isMore = await learn();
      show(status);
    }
  } catch (error) {
    const isNetwork = error instanceof TypeError;
    show(status, isNetwork ? "the tracker cannot be reached" : Object(error).message);
  }
  document.body.dataset.shards = String(set.shards);
  if (after !== before) quiet = 0;
  // Longer and longer while nothing changes, with jitter so that visitors spread their requests.
  await pause(Math.min(15_000, 1500 * 1.2 ** quiet) * (0.75 + Math.random() / 2));
  while (document.hidden) {
    await new Promise((resolve) =>
      document.addEventListener("visibilitychange", resolve, { once: true }),
    );
  }
}
