// A page with a volunteer. The tests use the properties of `window`.

import loadWasm, { Volunteer } from "/pkg/distcompute_client.js";

await loadWasm();

/** All workers that were created in this page, each with its part: "hub" or "compute". */
window.workers = [];

/** The notes that the handlers have sent about their jobs. */
window.notes = [];

/** The codes of all status reasons so far, in order. */
window.reasons = [];

function spawn() {
  const worker = new Worker("worker.js", { type: "module" });
  const member = { worker, part: undefined, ended: false };
  const { postMessage, terminate } = Worker.prototype;
  worker.postMessage = (message, ports) => {
    if (["hub", "compute"].includes(message.t)) member.part ??= message.t;
    postMessage.call(worker, message, ports);
  };
  worker.terminate = () => {
    member.ended = true;
    terminate.call(worker);
  };
  worker.addEventListener("message", ({ data }) => data.note && window.notes.push(data));
  window.workers.push(member);
  return worker;
}

window.begin = (options) => {
  const settings = { cores: 2, intensity: 100, pauseOnBattery: false, ...options.settings };
  const volunteer = new Volunteer({ stage: "a", nickname: "Ada", ...options, settings, spawn });
  volunteer.subscribe(({ reason }) => {
    if (window.reasons.at(-1) !== reason.code) window.reasons.push(reason.code);
  });
  window.volunteer = volunteer;
  volunteer.start();
};

/** The workers of a part that have not been terminated. */
window.living = (part) => window.workers.filter((one) => one.part === part && !one.ended);

window.ready = true;

/** All records in the library's database. */
window.kept = () =>
  new Promise((resolve, reject) => {
    const opening = indexedDB.open("distcompute", 1);
    // Aborts the creation if there is no database yet, so that reading does not create one.
    let isNew = false;
    opening.onupgradeneeded = () => (isNew = true) && opening.transaction.abort();
    opening.onerror = () => (isNew ? resolve([]) : reject(opening.error));
    opening.onsuccess = () => {
      const request = opening.result.transaction("kept").objectStore("kept").getAll();
      request.onerror = () => reject(request.error);
      request.onsuccess = () => (opening.result.close(), resolve(request.result));
    };
  });
