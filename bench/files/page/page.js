// A page with a volunteer whose jobs read and make files, and the times that its workers report.

import loadWasm, { Volunteer } from "/pkg/distcompute_client.js";

await loadWasm();

const faults = [];

/** By name: when something happened for the first and for the last time, in ms since 1970, and how often. */
const marks = {};

function spawn() {
  const worker = new Worker("worker.js", { type: "module" });
  worker.addEventListener("message", ({ data }) => {
    if (typeof data?.mark !== "string") return;
    const known = marks[data.mark] ?? { first: Infinity, last: -Infinity, count: 0 };
    marks[data.mark] = {
      first: Math.min(known.first, data.at),
      last: Math.max(known.last, data.at),
      count: known.count + 1,
    };
  });
  worker.addEventListener("error", ({ message }) => faults.push(message || "worker.js is broken"));
  return worker;
}

/** Starts to work, without an end. */
window.begin = ({ cores }) => {
  window.volunteer = new Volunteer({
    ...{ url: location.origin, stage: "a", nickname: "files", spawn },
    settings: { cores, intensity: 100, background: true, pauseOnBattery: false, hours: null },
  });
  window.volunteer.subscribe(({ error }) => error && faults.push(error.message));
  window.volunteer.start();
};

window.report = () => ({ faults, marks, lastError: window.volunteer?.status.lastError });
