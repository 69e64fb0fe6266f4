// The volunteer page: what the visitor does goes to the crew, what crew and picture know is shown.
// Nothing is computed here, and nothing runs before Start.

import { Cards } from "./cards.js";
import { totals } from "./core.js";
import { Crew } from "./crew.js";
import { element, write } from "./element.js";
import { Picture, follow } from "./picture.js";
import { crewSentence, duration, pictureSentence, withoutCountdown } from "./sentence.js";
import { browserStorage, readSettings, writeSettings } from "./settings.js";

const tracker = new URL("../", document.baseURI);
const hardware = navigator.hardwareConcurrency;
const storage = browserStorage();

const nickname = element("nickname", HTMLInputElement);
const cores = element("cores", HTMLInputElement);
const start = element("start", HTMLButtonElement);
const stop = element("stop", HTMLButtonElement);
/** @type {(id: string, text: string) => void} */
const say = (id, text) => write(element(id, HTMLElement), text);

/** @type {import("./sentence.js").Crew["state"]} */
let state = "idle";
/** Goes on when the page comes back from the browser's memory of visited pages. */
let resume = false;

fillSettings();
showProject().catch(() => say("description", "The tracker cannot be reached."));
const parameters = await fetchParameters();
const picture = new Picture(element("picture", HTMLCanvasElement), parameters);
const cards = new Cards(element("cards", HTMLElement), element("brushes", HTMLElement), parameters);
const crew = new Crew({ spawn, farewell, changed: show, now: Date.now });

element("settings", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  begin();
});
stop.addEventListener("click", () => end("stopped"));
cores.addEventListener("input", showCores);
window.addEventListener("pagehide", () => {
  // Not when the page is only hidden: then it goes on.
  resume = state === "running";
  crew.leave();
});
window.addEventListener("pageshow", (event) => {
  if (event.persisted && resume) begin();
});
setInterval(() => {
  crew.tick();
  show();
}, 1000);
setState("idle");
showPicture();
follow(picture, tracker, showPicture);

function begin() {
  if (state === "stopping") return;
  const settings = { nickname: nickname.value.trim(), cores: Number(cores.value) };
  writeSettings(storage, settings);
  crew.start(settings.cores, {
    url: tracker.href,
    nickname: settings.nickname || "anonymous",
    parameters,
  });
  setState("running");
  stop.focus();
}

/** @param {"stopped" | "finished"} as */
async function end(as) {
  setState("stopping");
  await crew.stop();
  setState(as);
  if (as === "stopped") start.focus();
}

/** @param {typeof state} next */
function setState(next) {
  state = next;
  const resting = state !== "running" && state !== "stopping";
  nickname.disabled = cores.disabled = !resting;
  start.disabled = !resting || state === "finished";
  stop.disabled = state !== "running";
  document.body.dataset.state = state;
  show();
}

function show() {
  const now = Date.now();
  const sentence = crewSentence({ state, cores: crew.cores }, now);
  say("status", sentence);
  say("status-spoken", withoutCountdown(sentence));
  const sum = totals(crew.cores);
  say("rendered", String(sum.rendered));
  say("checked", String(sum.checked));
  say("flagged", String(sum.flagged));
  element("flagged-row", HTMLElement).hidden = sum.flagged === 0;
  say("time", duration(sum.ms));
  element("cores-section", HTMLElement).hidden = state === "idle";
  cards.show(crew.cores, now);
}

/** @param {unknown} [error] */
function showPicture(error) {
  const { tiles, checked } = picture.counts;
  const progress = element("tiles", HTMLProgressElement);
  progress.max = tiles;
  progress.value = checked;
  const old = error ? " This is an older state: the tracker cannot be reached." : "";
  say("picture-text", pictureSentence(picture.counts) + old);
  if (!picture.finished) return;
  if (state === "running") end("finished");
  else if (state === "idle") setState("finished");
}

function fillSettings() {
  const settings = readSettings(storage, hardware);
  nickname.value = settings.nickname;
  cores.max = String(Math.max(1, hardware || 1));
  cores.value = String(settings.cores);
  showCores();
}

function showCores() {
  say("cores-text", `${cores.value} of ${cores.max}`);
}

async function showProject() {
  const { project, description } = await getJson(new URL("api/project", tracker));
  document.title = `${project}: volunteer`;
  say("project", project);
  say("description", description);
}

/** @returns {Promise<import("./messages.js").Parameters>} */
async function fetchParameters() {
  for (;;) {
    try {
      return await getJson(new URL("poster/poster.json", document.baseURI));
    } catch {
      say("status", "The tracker cannot be reached. Trying again in a few seconds.");
      await new Promise((resolve) => setTimeout(resolve, 4000 + 4000 * Math.random()));
    }
  }
}

/** @param {URL} url */
async function getJson(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  return await answer.json();
}

function spawn() {
  return new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
}

/** @param {string} token */
function farewell(token) {
  const body = JSON.stringify({ token });
  const headers = { "content-type": "application/json" };
  // Never depended on: what does not arrive is put back when the tracker hears nothing for long.
  fetch(new URL("api/bye", tracker), { method: "POST", keepalive: true, headers, body }).catch(
    () => {},
  );
}
