// The sentences that the page shows. Pure functions from a status to text.

/**
 * @typedef {import("./pkg/distcompute_client.js").VolunteerStatus} Status
 * @typedef {import("./pkg/distcompute_client.js").VolunteerReason} Reason
 * @typedef {import("./pkg/distcompute_client.js").CoreStatus} Core
 */

/**
 * What the sentences depend on besides the volunteer's status.
 *
 * @typedef {object} Context
 * @property {boolean} finished whether the picture is finished
 * @property {boolean} begun whether Start was ever pressed in this tab
 * @property {boolean} wanted whether this tab computes, or waits to take over from another tab
 * @property {number} now the current time, in milliseconds since 1970
 */

/** The sentence for each reason. `until` is a time in milliseconds since 1970. */
const reasons = {
  /** @param {Situation} situation */
  computing: ({ status }) => {
    const cores = status.cores.filter(({ state }) => state === "working").length;
    const share = status.settings.intensity;
    const gently = share < 100 ? `, ${share} % of the time` : "";
    const away = status.connection === "unreachable";
    const kept = away
      ? " The tracker cannot be reached right now; results are kept and sent later."
      : "";
    return `Working on ${count(cores, "core")}${gently}.${kept}`;
  },
  starting: () => "Starting: your cores are getting ready.",
  fetching: () => "Waiting for the next jobs from the tracker.",
  /** @param {Situation} situation */
  no_jobs: (situation) => `No open jobs. ${again("Asking", situation)}`,
  /** @param {Situation} situation */
  unreachable: (situation) => `The tracker cannot be reached. ${again("Trying", situation)}`,
  /** @param {Situation} situation */
  asked_to_wait: ({ until, now }) => {
    const left = Math.ceil(((until ?? now) - now) / 1000);
    return `The project asks us to wait${left > 0 ? ` for ${left} s` : ""}.`;
  },
  /** @param {Situation} situation */
  no_tracker: (situation) => {
    const refusals = {
      banned: "The project does not accept work from your nickname or your network address.",
      join_key_required: "The project takes only volunteers who have its join key.",
    };
    const code = situation.status.error?.code ?? "";
    const refusal = Object.entries(refusals).find(([refused]) => refused === code)?.[1];
    const what = refusal ?? "This page has no tracker that it can use.";
    return `${what} ${again("Trying", situation)}`;
  },
  /** @param {Situation} situation */
  paused: ({ until }) =>
    until === null
      ? "Paused until you press Resume."
      : `Paused until ${timeOfDay(until)}, as you asked.`,
  on_battery: () => "Paused while this computer runs on battery, until you plug it in.",
  /** @param {Situation} situation */
  outside_hours: ({ until }) => `Paused until ${timeOfDay(until)}, when the hours you chose begin.`,
  hidden: () => "Paused while this page is in the background, until you return to it.",
  /** @param {Situation} situation */
  another_tab: (situation) => otherTab(situation),
  /** @param {Situation} situation */
  setup_failed: (situation) =>
    `The project's program could not be loaded. ${again("Trying", situation)}`,
  /** @param {Situation} situation */
  jobs_fail: (situation) => `Jobs keep failing on this computer. ${again("Trying", situation)}`,
  /** @param {Situation} situation */
  worker_failed: (situation) => `Your cores could not be started. ${again("Trying", situation)}`,
  finishing: () => "Finishing the running jobs. No new jobs are taken.",
  stopping: () => "Stopping: unfinished jobs go back to the project.",
  /** @param {Situation} situation */
  stopped: ({ begun }) =>
    begun
      ? "Stopped. Unfinished jobs went back to the project."
      : "Nothing runs until you press Start.",
  updating: () => "The project has a new version. It is loaded when the running jobs are done.",
  failed: () => "Something went wrong, and work has stopped. Press Start to try again.",
};

/** @typedef {Context & { status: Status, until: number | null }} Situation */

/**
 * Describes whether the page computes, why, and until when.
 *
 * @param {Status} status
 * @param {Context} context
 * @returns {string}
 */
export function statusSentence(status, context) {
  if (context.finished && !isBusy(status)) return "The poster is finished. Thank you!";
  // A core pauses at its next progress report, which can take several seconds.
  if (status.state === "paused" && status.cores.some(({ state }) => state === "working")) {
    return "Pausing: your cores stop at the next opportunity.";
  }
  const { code, until } = status.reason;
  return reasons[code]({ ...context, status, until });
}

/**
 * Whether this tab computes or is about to.
 *
 * @param {Status} status
 */
export function isBusy({ state }) {
  return state !== "stopped" && state !== "failed" && state !== "elsewhere";
}

/**
 * Describes the tab that computes in place of this one, and, if Start was pressed here, what happens
 * next.
 *
 * @param {Situation} situation
 */
function otherTab({ status, wanted, ...context }) {
  const next = wanted ? " When that tab is closed, this one takes over." : "";
  const { reason } = status.elsewhere ?? {};
  if (!reason || reason.code === "another_tab") return `Another tab is already computing.${next}`;
  const sentence = reasons[reason.code]({ ...context, status, wanted, until: reason.until });
  return `In another tab: ${sentence}${next}`;
}

/**
 * Explains what to do about a failure, and what exactly has failed. Empty while there is none.
 *
 * @param {Status} status
 */
export function advice({ reason, error }) {
  const remedies = {
    setup_failed: "If this keeps happening, reload this page.",
    jobs_fail: "Other volunteers continue these jobs. If this keeps happening, press Stop.",
    worker_failed: "If this keeps happening, reload this page.",
    no_tracker: barred(error) ?? "If this keeps happening, tell the people who run this page.",
    failed: "If that does not help, reload this page, or come back later.",
  };
  const remedy = Object.entries(remedies).find(([code]) => code === reason.code)?.[1] ?? "";
  // The status sentence already says that the project does not take this volunteer.
  const isExplained = !error || error.code === "banned" || error.code === "join_key_required";
  return remedy && !isExplained ? `${remedy} What happened: ${error.message}` : remedy;
}

/**
 * Explains what to do if the tracker has moved, or does not accept work from this volunteer.
 *
 * @param {Status["error"]} error
 */
function barred(error) {
  if (error?.code === "banned") return "If you think this is a mistake, write to the project.";
  if (error?.code === "join_key_required")
    return "Open the whole address that the project gave you: the key is at its end.";
  const address = error?.code === "moved" ? error.address : undefined;
  return address && `The project has moved: open ${address} instead.`;
}

/**
 * Describes the connection to the tracker. Empty while there is none.
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
  return state === "paused" ? `Paused in the middle of job ${job}.` : `${doing} job ${job}.`;
}

/**
 * How many jobs a core has done so far, and at what rate.
 *
 * @param {Core} core
 */
export function coreRecord({ jobs, jobsPerMinute }) {
  const speed = jobsPerMinute < 10 ? jobsPerMinute.toFixed(1) : String(Math.round(jobsPerMinute));
  return jobs === 0 ? "No jobs done yet" : `${jobs} done, ${speed} per minute`;
}

/**
 * Removes the countdown from a sentence. Screen readers announce every change, and would otherwise
 * announce the sentence every second.
 *
 * @param {string} sentence
 */
export function withoutCountdown(sentence) {
  return sentence
    .replace(/ (Asking|Trying) again (in \d+ s|now)\./, "")
    .replace(/ asks us to wait for \d+ s\./, " asks us to wait.");
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
 * The progress of the picture.
 *
 * @param {{ tiles: number, checked: number, rendered: number }} picture `rendered` counts the tiles
 *   that are not checked yet
 */
export function pictureSentence({ tiles, checked, rendered }) {
  if (checked + rendered === 0) return `None of ${count(tiles, "tile")} is painted yet.`;
  if (checked === tiles) return `All ${count(tiles, "tile")} painted and checked.`;
  const waiting = rendered > 0 ? `; ${rendered} more in grey, waiting to be checked` : "";
  return `${checked} of ${count(tiles, "tile")} painted and checked${waiting}.`;
}

/**
 * Formats a duration, rounded down.
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
 * Formats an amount of data, with two or three significant digits.
 *
 * @param {number} bytes
 */
export function size(bytes) {
  if (bytes < 1e6) return `${Math.ceil(bytes / 1e3)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}

/**
 * Formats the time of day in the visitor's locale.
 *
 * @param {number | null} moment milliseconds since 1970
 */
export function timeOfDay(moment) {
  const time = new Date(moment ?? Date.now());
  return time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}
