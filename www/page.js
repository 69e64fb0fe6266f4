// The volunteer page: what the visitor does goes to the volunteer, what volunteer and picture know is
// shown. Nothing is computed here, and nothing runs before Start.

import { Awake } from "./awake.js";
import { Cards } from "./cards.js";
import * as controls from "./controls.js";
import { element, write } from "./element.js";
import { Picture, follow } from "./picture.js";
import loadClient, { Volunteer } from "./pkg/distcompute_client.js";
import * as sentence from "./sentence.js";
import * as memory from "./settings.js";

/** @typedef {import("./pkg/distcompute_client.js").VolunteerStatus} Status */

const tracker = new URL("../", document.baseURI);
const hardware = navigator.hardwareConcurrency;
const storage = memory.browserStorage();
const awake = new Awake();

/** @type {(id: string, text: string) => void} */
const say = (id, text) => write(element(id, HTMLElement), text);
/** @type {(id: string, shown: boolean) => void} */
const reveal = (id, shown) => void (element(id, HTMLElement).hidden = !shown);
/** @type {(id: string, pressed: () => void) => void} */
const onPress = (id, pressed) => element(id, HTMLButtonElement).addEventListener("click", pressed);

let settings = memory.readSettings(storage, hardware);
/** Whether Start was ever pressed here, and whether this tab computes or waits for its turn. */
let begun = false;
let wanted = false;

controls.fill(settings, hardware);
showProject().catch(() => say("description", "The tracker cannot be reached."));
const parameters = await patiently(async () => {
  await loadClient();
  return getJson(new URL("poster/poster.json", document.baseURI));
});
const picture = new Picture(element("picture", HTMLCanvasElement), parameters);
const cards = new Cards(element("cards", HTMLElement), element("brushes", HTMLElement), parameters);
/** Under which name `volunteer` works: it keeps that. */
let named = "";
let volunteer = makeVolunteer();

element("settings", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  // Enter in a field is no second Start.
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
for (const minutes of [30, 60, 120]) {
  onPress(`pause-${minutes}`, () => volunteer.pause(minutes * 60_000));
}
element("awake", HTMLInputElement).addEventListener("change", show);
reveal("awake-row", Awake.isPossible);
onPress("forget", () => askToForget(true));
onPress("forget-not", () => askToForget(false));
onPress("forget-sure", forget);

// The countdowns.
setInterval(show, 1000);
showPicture();
follow(picture, tracker, showPicture);

function makeVolunteer() {
  const made = new Volunteer({
    url: tracker.href,
    // Checks come first: a tile is finished before a new one is begun.
    stages: ["b", "a"],
    nickname: settings.nickname || "anonymous",
    spawn: () => new Worker(new URL("./worker.js", import.meta.url), { type: "module" }),
    settings: memory.volunteerSettings(settings),
  });
  made.subscribe(show);
  named = settings.nickname;
  return made;
}

function start() {
  if (named !== settings.nickname) {
    volunteer.free();
    volunteer = makeVolunteer();
  }
  begun = wanted = true;
  volunteer.start();
  show();
  element("stop", HTMLButtonElement).focus();
}

function show() {
  const { status } = volunteer;
  const { code } = status.reason;
  if (code === "stopped" || code === "failed") wanted = false;
  const { finished } = picture;
  const told = sentence.statusSentence(status, { finished, begun, wanted, now: Date.now() });
  say("status", told);
  say("status-spoken", sentence.withoutCountdown(told));
  say("advice", sentence.advice(status));
  document.body.dataset.state = finished && !sentence.isBusy(status) ? "finished" : status.state;
  showControls(status);
  showCounts(status);
  cards.show(status);
  reveal("cores-section", status.cores.length > 0);
}

/** @param {Status} status */
function showControls(status) {
  // In another tab's stead: what is pressed here goes for it too.
  const { state, reason } = status.elsewhere ?? status;
  const runs = reason.code !== "stopped" && reason.code !== "failed";
  const goes = runs && state !== "stopping";
  const focused = document.activeElement;
  reveal("start", !wanted);
  element("start", HTMLButtonElement).disabled = picture.finished;
  say("start", status.state === "elsewhere" ? "Take over when it closes" : "Start");
  reveal("stop", runs);
  reveal("finish", goes);
  reveal("pause", goes && reason.code !== "paused");
  reveal("resume", goes && reason.code === "paused");
  controls.fixName(wanted);
  keepFocus(focused);
  awake.want(element("awake", HTMLInputElement).checked && runs);
  // Set in another tab.
  if (!memory.isSame(status.settings, memory.volunteerSettings(settings))) {
    settings = memory.withVolunteer(settings, status.settings);
    controls.fill(settings, hardware);
  }
}

/**
 * Who has pressed a button that is gone goes on at the one that stands for it now.
 *
 * @param {Element | null} focused
 */
function keepFocus(focused) {
  if (!(focused instanceof HTMLElement) || focused.offsetParent) return;
  const next = ["stop", "start"].find((id) => !element(id, HTMLElement).hidden);
  if (focused instanceof HTMLButtonElement && next) element(next, HTMLElement).focus();
}

/** @param {Status} status */
function showCounts(status) {
  say("rendered", String(status.jobsByStage.a ?? 0));
  say("checked", String(status.jobsByStage.b ?? 0));
  const { jobsInvalid, jobsFailed, jobsRejected } = status;
  for (const [id, number] of Object.entries({ jobsInvalid, jobsFailed, jobsRejected })) {
    say(id, String(number));
    reveal(`${id}-row`, number > 0);
  }
  say("time", sentence.duration(status.computeMs));
  say("sent", sentence.size(status.bytesSent));
  say("received", sentence.size(status.bytesReceived));
  say("waiting", String(status.waiting));
  say("connection", sentence.connection(status));
}

/** @param {unknown} [error] */
function showPicture(error) {
  const { tiles, checked } = picture.counts;
  const progress = element("tiles", HTMLProgressElement);
  progress.max = tiles;
  progress.value = checked;
  const old = error ? " This is an older state: the tracker cannot be reached." : "";
  say("picture-text", sentence.pictureSentence(picture.counts) + old);
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
  say("forgotten", "Deleting …");
  askToForget(false);
  try {
    await volunteer.forget();
    memory.forgetSettings(storage);
    settings = memory.readSettings(storage, hardware);
    controls.fill(settings, hardware);
    volunteer.free();
    volunteer = makeVolunteer();
    begun = false;
    say("forgotten", "Forgotten: this browser keeps nothing of you.");
  } catch (error) {
    say("forgotten", error instanceof Error ? error.message : String(error));
  }
  show();
}

async function showProject() {
  const { project, description } = await getJson(new URL("api/project", tracker));
  document.title = `${project}: volunteer`;
  say("project", project);
  say("description", description);
}

/**
 * Repeats it for as long as the tracker is away, and says so.
 *
 * @template T
 * @param {() => Promise<T>} attempt
 */
async function patiently(attempt) {
  for (;;) {
    try {
      return await attempt();
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
