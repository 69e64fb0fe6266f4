// The sample's volunteer page: the picture, beside the panel that computes.

import { Brushes } from "./brushes.js";
import { element, write } from "./element.js";
import { getText, whyNot } from "./fetching.js";
import { Picture, follow } from "./picture.js";
import { DistcomputeVolunteer } from "./pkg/distcompute_volunteer.js";
import { pictureSentence } from "./sentence.js";
import { pictureShare } from "./share.js";

/** @typedef {import("distcompute-client").VolunteerStatus} Status */

const tracker = new URL("../", document.baseURI);
const panel = element("panel", DistcomputeVolunteer);

/** @type {(id: string, text: string) => void} */
const setText = (id, text) => write(element(id, HTMLElement), text);

const parameters = await patiently("picture-text", () =>
  getJson(new URL("poster/poster.json", document.baseURI)),
);
const picture = new Picture(element("picture", HTMLCanvasElement), parameters);
const brushes = new Brushes(element("brushes", HTMLElement), parameters);
element("download", HTMLButtonElement).addEventListener("click", download);
await volunteering();
let isBusy = false;
/** @type {ReturnType<typeof follow> | undefined} */
let following;
panel.addEventListener("status", show);
showPicture();
following = follow(picture, {
  tracker,
  changed: showPicture,
  share: () => (panel.volunteer ? pictureShare(panel.volunteer.status, isBusy) : 0),
});
patiently("description", showProject);

/** Resolves when there is a volunteer: what computes is loaded before the picture. */
async function volunteering() {
  if (panel.volunteer) return;
  await new Promise((resolve) => panel.addEventListener("status", resolve, { once: true }));
}

function show() {
  const status = panel.volunteer?.status;
  if (!status) return;
  const before = isBusy;
  isBusy = !["stopped", "failed", "elsewhere"].includes(status.state);
  // Frees the connection for the first jobs.
  if (isBusy && !before) following?.interrupt();
  const isFinished = picture.finished && !isBusy;
  document.body.dataset.state = isFinished ? "finished" : status.state;
  element("download", HTMLButtonElement).hidden = !isFinished;
  brushes.show(status.cores);
}

/** @param {unknown} [error] */
function showPicture(error) {
  const { tiles, checked } = picture.counts;
  const progress = element("tiles", HTMLProgressElement);
  progress.max = tiles;
  progress.value = checked;
  const old = error ? ` The picture may be out of date: ${whyNot(error)}.` : "";
  setText("picture-text", pictureSentence(picture.counts) + old);
  if (picture.finished) panel.finished = "The poster is finished. Thank you!";
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
 * Repeats `attempt` until it succeeds, and writes into an element why it failed.
 *
 * @template T
 * @param {string} id
 * @param {() => Promise<T>} attempt
 */
async function patiently(id, attempt) {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      setText(id, `This page is not complete yet: ${whyNot(error)}. Trying again soon.`);
      await new Promise((resolve) => setTimeout(resolve, 4000 + 4000 * Math.random()));
    }
  }
}

/** @param {URL} url */
async function getJson(url) {
  return JSON.parse(await getText(url));
}
