// The volunteer page of `distcompute map`: starts and stops a volunteer, and shows its status.

import loadWasm, { Volunteer } from "distcompute-client";

/** @param {string} id */
const element = (id) => /** @type {any} */ (document.getElementById(id));

const sentences = {
  stopped: "Stopped.",
  starting: "Starting …",
  computing: "Computing.",
  paused: "Paused.",
  waiting: "Waiting for jobs.",
  stopping: "Stopping …",
  elsewhere: "Another tab of this browser computes for this project.",
  failed: "Stopped by an error.",
};

await loadWasm();
const tracker = new URL("../", document.baseURI);
const { project } = await (await fetch(new URL("api/project", tracker))).json();
document.title = project;
element("project").textContent = project;
const cores = navigator.hardwareConcurrency || 1;
element("cores").max = cores;
element("cores").value = Math.max(1, cores - 1);
element("start").disabled = false;
element("status").textContent = "Ready.";

/** @type {Volunteer | undefined} */
let volunteer;

element("settings").addEventListener("submit", (event) => {
  event.preventDefault();
  if (volunteer && volunteer.status.state !== "stopped") return;
  volunteer?.free();
  volunteer = new Volunteer({
    url: tracker.href,
    stages: STAGES,
    nickname: element("nickname").value.trim() || "anonymous",
    joinKey: joinKey(),
    settings: { cores: Number(element("cores").value) },
    spawn: () => new Worker(new URL("./worker.js", document.baseURI), { type: "module" }),
  });
  volunteer.subscribe(show);
  volunteer.start();
});
element("stop").addEventListener("click", () => volunteer?.stop());

/** The key in the address. Half of one is no key: then the project's refusal says what is missing. */
function joinKey() {
  const key = new URLSearchParams(location.hash.slice(1)).get("key") ?? "";
  return /^[\w.~-]{16,128}$/.test(key) ? key : undefined;
}

/** @param {Volunteer["status"]} status */
function show({ state, jobsDone, jobsFailed, cores, error, lastError }) {
  const isStopped = state === "stopped" || state === "failed";
  element("start").hidden = !isStopped;
  element("stop").hidden = isStopped;
  const failed = jobsFailed > 0 ? `, ${jobsFailed} failed (${lastError?.message})` : "";
  element("status").textContent =
    `${error?.message ?? sentences[state] ?? state} ${jobsDone} jobs done${failed}.`;
  const items = cores.map(({ core, state, job, done, total }) => {
    const item = document.createElement("li");
    const part = total > 0 ? `, ${Math.round((100 * done) / total)} %` : "";
    item.textContent = `Core ${core + 1}: ${job === null ? state : `job ${job}${part}`}`;
    return item;
  });
  element("list").replaceChildren(...items);
}
