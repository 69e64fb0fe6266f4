// The volunteer page: passes the visitor's actions on to the `Volunteer`, and shows the status of the
// volunteer and the picture. Jobs are computed in workers, which are not started before Start.

import { Awake } from "./awake.js";
import { Cards } from "./cards.js";
import * as controls from "./controls.js";
import { element, write } from "./element.js";
import { getText, whyNot } from "./fetching.js";
import { Picture, follow } from "./picture.js";
import loadClient, { Volunteer } from "./pkg/distcompute_client.js";
import * as sentence from "./sentence.js";
import * as memory from "./settings.js";
import { pictureShare } from "./share.js";

/** @typedef {import("./pkg/distcompute_client.js").VolunteerStatus} Status */

const tracker = new URL("../", document.baseURI);
const hardware = navigator.hardwareConcurrency;
const storage = memory.browserStorage();
const awake = new Awake();

/** @type {(id: string, text: string) => void} */
const setText = (id, text) => write(element(id, HTMLElement), text);
/** @type {(id: string, shown: boolean) => void} */
const reveal = (id, shown) => void (element(id, HTMLElement).hidden = !shown);
/** @type {(id: string, pressed: () => void) => void} */
const onPress = (id, pressed) => element(id, HTMLButtonElement).addEventListener("click", pressed);

/** @type {import("./controls.js").Early} */
const early = Object(window).early;

let settings = controls.takeOver(memory.readSettings(storage, hardware), hardware, early);
/** Whether Start was ever pressed in this tab. */
let begun = false;
/** Whether this tab computes, or waits until it can take over from another tab. */
let wanted = false;

const [parameters] = await Promise.all([
  patiently(() => getJson(new URL("poster/poster.json", document.baseURI))),
  patiently(() => loadClient()),
]);
const picture = new Picture(element("picture", HTMLCanvasElement), parameters);
const cards = new Cards(element("cards", HTMLElement), element("brushes", HTMLElement), parameters);
/** The nickname of `volunteer`, which is fixed when it is constructed. */
let named = "";
let volunteer = makeVolunteer();

element("settings", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  // Pressing Enter in a field submits the form too.
  if (!wanted) start();
});
controls.onChange(() => {
  settings = controls.read(settings);
  memory.writeSettings(storage, settings);
  volunteer.set(memory.volunteerSettings(settings));
  show();
});
onPress("stop", () => volunteer.stop());
onPress("finish", () => volunteer.stop({ finish: true }));
onPress("resume", () => volunteer.resume());
onPress("download", download);
for (const minutes of [30, 60, 120]) {
  onPress(`pause-${minutes}`, () => volunteer.pause(minutes * 60_000));
}
element("awake", HTMLInputElement).addEventListener("change", show);
reveal("awake-row", Awake.isPossible);
onPress("forget", () => askToForget(true));
onPress("forget-not", () => askToForget(false));
onPress("forget-sure", forget);

// The status sentence contains countdowns.
setInterval(show, 1000);
early.end();
volunteer.subscribe(show);
if (early.edited.size > 0) memory.writeSettings(storage, settings);
showPicture();
const following = follow(picture, {
  tracker,
  changed: showPicture,
  share: () => pictureShare(volunteer.status, wanted),
});
if (early.pressed) start();
patiently(showProject);

function makeVolunteer() {
  const made = new Volunteer({
    url: tracker.href,
    // Stage b first: tiles are checked before new ones are rendered.
    stages: ["b", "a"],
    nickname: settings.nickname || "anonymous",
    joinKey: joinKey(),
    spawn: () => new Worker(new URL("./worker.js", import.meta.url), { type: "module" }),
    settings: memory.volunteerSettings(settings),
  });
  named = settings.nickname;
  return made;
}

/**
 * The join key of a project that is not for everybody, from the fragment of the address, which no log has. What is
 * no key, such as a half of one, is ignored: the project's refusal explains what is missing.
 */
function joinKey() {
  const key = new URLSearchParams(location.hash.slice(1)).get("key") ?? "";
  return /^[\w.~-]{16,128}$/.test(key) ? key : undefined;
}

/** Replaces the volunteer, because the nickname of an existing one cannot change. */
function renewVolunteer() {
  volunteer.free();
  volunteer = makeVolunteer();
  volunteer.subscribe(show);
}

function start() {
  if (named !== settings.nickname) {
    renewVolunteer();
  }
  begun = wanted = true;
  following.interrupt();
  volunteer.start();
  show();
  element("stop", HTMLButtonElement).focus();
}

function show() {
  const { status } = volunteer;
  const { code } = status.reason;
  if (code === "stopped" || code === "failed") wanted = false;
  const { finished } = picture;
  const text = sentence.statusSentence(status, { finished, begun, wanted, now: Date.now() });
  setText("status", text);
  setText("status-spoken", sentence.withoutCountdown(text));
  setText("advice", sentence.advice(status));
  document.body.dataset.state = finished && !sentence.isBusy(status) ? "finished" : status.state;
  showControls(status);
  showCounts(status);
  cards.show(status);
  reveal("cores-section", status.cores.length > 0);
}

/** @param {Status} status */
function showControls(status) {
  // While another tab computes, the buttons control that tab, so they follow its status.
  const { state, reason } = status.elsewhere ?? status;
  const runs = reason.code !== "stopped" && reason.code !== "failed";
  const goes = runs && state !== "stopping";
  const focused = document.activeElement;
  const start = element("start", HTMLButtonElement);
  reveal("start", !wanted && !picture.finished);
  start.disabled = picture.finished;
  setText("start", status.state === "elsewhere" ? "Take over when the other tab closes" : "Start");
  reveal("stop", runs);
  reveal("finish", goes);
  reveal("pause", goes && reason.code !== "paused");
  reveal("resume", goes && reason.code === "paused");
  reveal("download", picture.finished && !wanted);
  controls.fixName(wanted);
  keepFocus(focused);
  awake.want(element("awake", HTMLInputElement).checked && runs);
  // The settings were changed in another tab.
  if (!memory.isSame(status.settings, memory.volunteerSettings(settings))) {
    settings = memory.withVolunteer(settings, status.settings);
    controls.fill(settings, hardware);
  }
}

/**
 * Moves the keyboard focus from a button that has just been hidden to the one that replaces it.
 *
 * @param {Element | null} focused
 */
function keepFocus(focused) {
  if (!(focused instanceof HTMLElement) || focused.offsetParent) return;
  const next = ["stop", "start", "download"].find((id) => !element(id, HTMLElement).hidden);
  if (focused instanceof HTMLButtonElement && next) element(next, HTMLElement).focus();
}

/** @param {Status} status */
function showCounts(status) {
  setText("rendered", String(status.jobsByStage.a ?? 0));
  setText("checked", String(status.jobsByStage.b ?? 0));
  const { jobsInvalid, jobsFailed, jobsRejected } = status;
  for (const [id, number] of Object.entries({ jobsInvalid, jobsFailed, jobsRejected })) {
    setText(id, String(number));
    reveal(`${id}-row`, number > 0);
  }
  setText("time", sentence.duration(status.computeMs));
  setText("sent", sentence.size(status.bytesSent));
  setText("received", sentence.size(status.bytesReceived));
  setText("waiting", String(status.waiting));
  const connection = sentence.connection(status);
  setText("connection", connection);
  reveal("connection-row", connection !== "");
  // All counters are zero before the first job.
  reveal("record", begun || status.computeMs > 0 || status.state === "elsewhere");
}

/** @param {unknown} [error] */
function showPicture(error) {
  const { tiles, checked } = picture.counts;
  const progress = element("tiles", HTMLProgressElement);
  progress.max = tiles;
  progress.value = checked;
  const old = error ? ` The picture may be out of date: ${whyNot(error)}.` : "";
  setText("picture-text", sentence.pictureSentence(picture.counts) + old);
  if (picture.finished && wanted) volunteer.stop();
  show();
}

/** @param {boolean} asking */
function askToForget(asking) {
  reveal("forget", !asking);
  reveal("forget-question", asking);
  element(asking ? "forget-not" : "forget", HTMLElement).focus();
}

async function forget() {
  setText("forgotten", "Deleting …");
  askToForget(false);
  try {
    await volunteer.forget();
    memory.forgetSettings(storage);
    settings = memory.readSettings(storage, hardware);
    controls.fill(settings, hardware);
    renewVolunteer();
    begun = false;
    setText("forgotten", "Done. This browser no longer stores anything about you.");
  } catch (error) {
    setText("forgotten", error instanceof Error ? error.message : String(error));
  }
  show();
}

async function download() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await picture.toFile());
  link.download = `${document.title.replace(/: volunteer$/, "")}.png`;
  link.click();
  URL.revokeObjectURL(link.href);
}

async function showProject() {
  const { project, description } = await getJson(new URL("api/project", tracker));
  document.title = `${project}: volunteer`;
  setText("project", project);
  setText("description", description);
}

/**
 * Repeats `attempt` until it succeeds, and shows why it failed.
 *
 * @template T
 * @param {() => Promise<T>} attempt
 */
async function patiently(attempt) {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!begun)
        setText("status", `This page is not complete yet: ${whyNot(error)}. Trying again soon.`);
      await new Promise((resolve) => setTimeout(resolve, 4000 + 4000 * Math.random()));
    }
  }
}

/** @param {URL} url */
async function getJson(url) {
  return JSON.parse(await getText(url));
}
