// The page of a contender: creates its workers and stores their reports. The benchmark calls the functions
// on `window`.

/** The last report of each worker: its number of jobs, their total duration in ms, and the time. */
const workers = new Map();
const faults = [];

/** Is called with the time when a worker begins its first job. */
let firstJob = () => {};

/**
 * @param {string} script the name of a script in this folder
 * @param {number} turns the turns of arithmetic per job
 */
function spawn(script, turns) {
  const worker = new Worker(`${script}?turns=${turns}`, { type: "module" });
  worker.addEventListener("message", ({ data }) => {
    if (data.jobs !== undefined) {
      workers.set(worker, data);
      firstJob(data.firstAt);
    }
    if (data.fault !== undefined) faults.push(data.fault);
  });
  worker.addEventListener("error", ({ message }) =>
    console.error(message || `${script} is broken`),
  );
  return worker;
}

/**
 * Starts computing, without an end.
 *
 * @param {{ script: string, turns: number, cores: number }} wanted
 */
window.begin = async ({ script, turns, cores }) => {
  if (script !== "engine.js") {
    for (let core = 0; core < cores; core++) spawn(script, turns);
    return;
  }
  const volunteer = await engine({ turns, cores });
  volunteer.start();
};

/** A volunteer that is not started yet. */
async function engine({ turns, cores }) {
  const { default: loadWasm, Volunteer } = await import("/pkg/distcompute_client.js");
  await loadWasm();
  const volunteer = new Volunteer({
    url: location.origin,
    stage: "a",
    nickname: "engine",
    spawn: () => spawn("engine.js", turns),
    settings: {
      ...{ cores, intensity: 100, background: true },
      ...{ pauseOnBattery: false, hours: null },
    },
  });
  volunteer.subscribe(({ error }) => error && faults.push(error.message));
  return volunteer;
}

/**
 * Returns how long it takes from the call of `start` until the first job begins, in milliseconds.
 *
 * @param {{ turns: number, cores: number }} wanted
 */
window.startOnce = async (wanted) => {
  const volunteer = await engine(wanted);
  const first = new Promise((resolve) => (firstJob = resolve));
  const since = performance.timeOrigin + performance.now();
  volunteer.start();
  const took = (await first) - since;
  await volunteer.stop();
  volunteer.free();
  return took;
};

window.report = () => ({ workers: [...workers.values()], faults });

/** Measures the turns of arithmetic per ms of each worker, while all of them compute. */
window.calibrate = (cores) => {
  const speeds = Array.from({ length: cores }, () => {
    const worker = new Worker("calibrate.js", { type: "module" });
    return new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => (worker.terminate(), resolve(data));
      worker.onerror = ({ message }) => reject(new Error(message));
    });
  });
  return Promise.all(speeds);
};
