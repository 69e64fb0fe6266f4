// A page with a volunteer, or with a hand-written loop. Its tracker is at another origin, behind the
// simulated connection.

import loadWasm, { Volunteer } from "/pkg/distcompute_client.js";

await loadWasm();

const faults = [];

/** @param {{ url: string, who: "engine" | "five", cores: number }} wanted */
window.begin = ({ url, who, cores }) => {
  const spawn = (script) => {
    const worker = new Worker(script, { type: "module" });
    worker.addEventListener("error", ({ message }) => faults.push(message));
    return worker;
  };
  if (who === "five") {
    spawn(`five-calls.js?url=${encodeURIComponent(url)}`);
    return;
  }
  window.volunteer = new Volunteer({
    ...{ url, stage: "a", nickname: "line", spawn: () => spawn("worker.js") },
    settings: { cores, intensity: 100, background: true, pauseOnBattery: false, hours: null },
  });
  window.volunteer.subscribe(({ error }) => error && faults.push(error.message));
  window.volunteer.start();
};

window.report = () => ({ faults, status: window.volunteer?.status });

window.ready = true;
