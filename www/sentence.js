// The sentences that people read. Pure: states and numbers in, plain words out.

/**
 * @typedef {import("./pkg/distcompute_client.js").VolunteerStatus} Status
 * @typedef {import("./pkg/distcompute_client.js").VolunteerReason} Reason
 * @typedef {import("./pkg/distcompute_client.js").CoreStatus} Core
 */

/**
 * What the page as a whole is about, besides its volunteer.
 *
 * @typedef {object} Affair
 * @property {boolean} finished there is nothing left to paint
 * @property {boolean} begun Start was ever pressed here
 * @property {boolean} wanted this tab computes, or waits for its turn
 * @property {number} now milliseconds of the clock
 */

/** Each reason in words. `until` is a moment; `left` is how long that is, for things tried again. */
const reasons = {
  /** @param {Told} told */
  computing: ({ status }) => {
    const cores = status.cores.filter(({ state }) => state === "working").length;
    const share = status.settings.intensity;
    const gently = share < 100 ? `, ${share} % of the time` : "";
    const away = status.connection === "unreachable";
    const kept = away ? " The tracker cannot be reached for now: results are kept." : "";
    return `Working on ${count(cores, "core")}${gently}.${kept}`;
  },
  starting: () => "Starting: your cores are getting ready.",
  fetching: () => "Waiting for the next jobs from the tracker.",
  /** @param {Told} told */
  no_jobs: (told) => `No open jobs. ${again("Asking", told)}`,
  /** @param {Told} told */
  unreachable: (told) => `The tracker cannot be reached. ${again("Trying", told)}`,
  /** @param {Told} told */
  asked_to_wait: ({ until, now }) => {
    const left = Math.ceil(((until ?? now) - now) / 1000);
    return `The project asks us to wait${left > 0 ? `, ${left} s` : ""}.`;
  },
  /** @param {Told} told */
  no_tracker: (told) => {
    const banned = told.status.error?.code === "banned";
    const what = banned
      ? "The project takes no work under your nickname or from your address."
      : "This page has no tracker that it can use.";
    return `${what} ${again("Trying", told)}`;
  },
  /** @param {Told} told */
  paused: ({ until }) =>
    until === null
      ? "Paused until you press Resume."
      : `Paused until ${timeOfDay(until)}, as you asked.`,
  on_battery: () => "Paused while this computer runs on its battery, until it is plugged in.",
  /** @param {Told} told */
  outside_hours: ({ until }) => `Paused until ${timeOfDay(until)}, when the hours you chose begin.`,
  hidden: () => "Paused while this page is in the background, until you look at it again.",
  /** @param {Told} told */
  another_tab: (told) => `Another tab of this browser does it${there(told)}`,
  /** @param {Told} told */
  setup_failed: (told) => `The project's program could not be loaded. ${again("Trying", told)}`,
  /** @param {Told} told */
  jobs_fail: (told) => `Jobs fail on this machine. ${again("Trying", told)}`,
  /** @param {Told} told */
  worker_failed: (told) => `Your cores could not be started. ${again("Trying", told)}`,
  finishing: () => "Finishing what was begun. No new jobs are taken.",
  stopping: () => "Stopping: unfinished jobs are being put back.",
  /** @param {Told} told */
  /** @param {Told} told */
  stopped: ({ begun }) =>
    begun
      ? "Stopped. Unfinished jobs were put back for others."
      : "Nothing runs until you press Start.",
  updating: () => "The project has a new version, which is loaded when the running jobs are done.",
  failed: () => "This cannot go on by itself. Press Start to try again.",
};

/** @typedef {Affair & { status: Status, until: number | null }} Told */

/**
 * Why it computes or does not, and until when.
 *
 * @param {Status} status
 * @param {Affair} affair
 * @returns {string}
 */
export function statusSentence(status, affair) {
  if (affair.finished && !isBusy(status)) return "The poster is finished. Thank you!";
  // A core is at rest when it says so, and that may take it some seconds.
  if (status.state === "paused" && status.cores.some(({ state }) => state === "working")) {
    return "Pausing: your cores come to rest at the next opportunity.";
  }
  const { code, until } = status.reason;
  return reasons[code]({ ...affair, status, until });
}

/**
 * Whether anything runs or is about to, here.
 *
 * @param {Status} status
 */
export function isBusy({ state }) {
  return state !== "stopped" && state !== "failed" && state !== "elsewhere";
}

/**
 * What the other tab says of itself. Who pressed Start here wants to know what that will lead to.
 *
 * @param {Told} told
 */
function there({ status, wanted, ...affair }) {
  const next = wanted ? " When it is closed, this one takes over." : "";
  const { reason } = status.elsewhere ?? {};
  if (!reason || reason.code === "another_tab") return `.${next}`;
  const sentence = reasons[reason.code]({ ...affair, status, wanted, until: reason.until });
  return `: ${sentence}${next}`;
}

/**
 * What went wrong, and what to do about it; empty where nothing did.
 *
 * @param {Status} status
 */
export function advice({ reason, error }) {
  const remedies = {
    setup_failed: "If it goes on like this, reload this page.",
    jobs_fail: "Others go on with these jobs. If it stays like this, press Stop.",
    worker_failed: "If it goes on like this, reload this page.",
    no_tracker: barred(error) ?? "If it goes on like this, tell whoever runs this page.",
    failed: "If that does not help, reload this page, or come back later.",
  };
  const remedy = Object.entries(remedies).find(([code]) => code === reason.code)?.[1] ?? "";
  // The sentence above it says that already.
  const told = !error || error.code === "banned";
  return remedy && !told ? `${remedy} What happened: ${error.message}` : remedy;
}

/**
 * What to do where the tracker has moved, or takes nothing from here.
 *
 * @param {Status["error"]} error
 */
function barred(error) {
  if (error?.code === "banned") return "If you think that this is wrong, write to the project.";
  const address = error?.code === "moved" ? error.address : undefined;
  return address && `The project has moved: open ${address} instead.`;
}

/**
 * Whether the tracker answers; empty while nobody asks it.
 *
 * @param {Status} status
 */
export function connection({ state, connection }) {
  if (state === "stopped" || state === "failed") return "";
  return connection === "online" ? "good" : "cannot be reached";
}

/**
 * @param {Core} core
 * @param {Status["stageNames"]} names
 */
export function coreSentence({ state, job, stage }, names) {
  const name = names[stage ?? ""] ?? "";
  const doing = { Render: "Rendering", Check: "Checking" }[name] ?? "Working on";
  if (state === "starting") return "Getting ready.";
  if (job === null) return "Waiting for a job.";
  return state === "paused" ? `Resting in the middle of job ${job}.` : `${doing} job ${job}.`;
}

/**
 * What a core has done so far, and how fast.
 *
 * @param {Core} core
 */
export function coreRecord({ jobs, jobsPerMinute }) {
  const speed = jobsPerMinute < 10 ? jobsPerMinute.toFixed(1) : String(Math.round(jobsPerMinute));
  return jobs === 0 ? "No job done yet" : `${jobs} done, ${speed} a minute`;
}

/**
 * The sentence without its countdown, for screen readers: it changes only when the matter does.
 *
 * @param {string} sentence
 */
export function withoutCountdown(sentence) {
  return sentence
    .replace(/ (Asking|Trying) again (in \d+ s|now)\./, "")
    .replace(/ asks us to wait, \d+ s\./, " asks us to wait.");
}

/**
 * @param {string} what
 * @param {{ until: number | null, now: number }} when
 */
function again(what, { until, now }) {
  const left = Math.ceil(((until ?? now) - now) / 1000);
  return left > 0 ? `${what} again in ${left} s.` : `${what} again now.`;
}

/**
 * @param {number} number
 * @param {string} noun
 */
export function count(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/**
 * How far the poster is.
 *
 * @param {{ tiles: number, checked: number, rendered: number }} picture `rendered`: not yet checked
 */
export function pictureSentence({ tiles, checked, rendered }) {
  if (checked + rendered === 0) return `None of ${count(tiles, "tile")} is painted yet.`;
  if (checked === tiles) return `All ${count(tiles, "tile")} painted and checked.`;
  const waiting = rendered > 0 ? `, ${rendered} more in grey wait for a check` : "";
  return `${checked} of ${count(tiles, "tile")} painted and checked${waiting}.`;
}

/**
 * A length of time, roughly.
 *
 * @param {number} ms
 */
export function duration(ms) {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

/**
 * An amount of data, roughly.
 *
 * @param {number} bytes
 */
export function size(bytes) {
  if (bytes < 1e6) return `${Math.ceil(bytes / 1e3)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}

/**
 * The clock's time of a moment, as people write it here.
 *
 * @param {number | null} moment milliseconds since 1970
 */
export function timeOfDay(moment) {
  const time = new Date(moment ?? Date.now());
  return time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}
