// `npm run bench -- client`: the share of a browser's cores that is spent on jobs, with the engine and
// with hand-written loops, on the same jobs in the same run.

import { setTimeout as sleep } from "node:timers/promises";

import { packageSizes } from "../scripts/build.mjs";
import { Failure } from "../scripts/failure.mjs";
import { ensureBuildTools } from "../scripts/tools.mjs";
import { readArguments as read } from "./arguments.mjs";
import { openSetting, withPage } from "./browser.mjs";
import { contenders, publish, summary } from "./client-report.mjs";
import { grouped, median } from "./figures.mjs";
import { busySeconds, machineFacts, processesBelow, processorSeconds } from "./machine.mjs";

/**
 * The kinds of jobs. One worker leaves a core to the tracker and the proxy, as on a volunteer's machine. Four
 * are for the number of requests of long jobs.
 */
const rows = [
  { job_ms: 100, delay_ms: 100, workers: 1 },
  { job_ms: 100, delay_ms: 100, workers: 2 },
  { job_ms: 10, delay_ms: 100, workers: 1 },
  { job_ms: 10, delay_ms: 100, workers: 2 },
  { job_ms: 1, delay_ms: 0, workers: 1 },
  { job_ms: 1, delay_ms: 0, workers: 2 },
  { job_ms: 0, delay_ms: 0, workers: 2 },
  { job_ms: 1000, delay_ms: 0, workers: 4 },
];

/** The contenders with one worker; loops of one's own are compared with two. */
const alone = ["memory", "sync"];

const different = (values) => [...new Set(values.map(String))];

const every = {
  jobs: different(rows.map(({ job_ms }) => job_ms)),
  workers: different(rows.map(({ workers }) => workers)),
  contenders: [...Object.keys(contenders), "idle", "start"],
};

export const usage = `npm run bench -- client [options]

  --jobs LIST        how long a job takes, in ms: ${every.jobs}
  --contenders LIST  ${every.contenders}
  --rounds N         how often each is measured; medians count (3)
  --seconds N        how long each measurement is at least (10)
  --idle-seconds N   how long the engine waits for jobs that do not come (60)
  --workers LIST     how many compute at once: ${every.workers}; four only jobs of 1 s
  --starts N         how often the start is measured (15)
  --quick            one round of 2 s, 20 s for idle, and three starts

A run of all jobs and contenders writes bench/results/; any other writes target/bench/. Without
memory there is no efficiency.`;

/** @param {string[]} args */
export function readArguments(args) {
  const { jobs, workers, contenders } = every;
  const lists = { jobs: { all: jobs }, workers: { all: workers }, contenders: { all: contenders } };
  const numbers = { rounds: 3, seconds: 10, "idle-seconds": 60, starts: 15 };
  const quick = { rounds: 1, seconds: 2, "idle-seconds": 20, starts: 3 };
  const harmless = ["rounds", "seconds", "idle-seconds", "starts"];
  const wanted = read(args, { usage, lists, numbers, quick, harmless });
  const of = (name) => wanted[name].map(Number);
  return {
    ...wanted,
    ...{ jobs: of("jobs"), workers: of("workers"), idleSeconds: wanted["idle-seconds"] },
  };
}

/** More jobs than the fastest contender completes in a measurement. */
const manyJobs = 500_000;

/** @param {string[]} args */
export async function main(args) {
  const wanted = readArguments(args);
  await ensureBuildTools();
  const setting = await openSetting({ jobs: manyJobs });
  try {
    const facts = [...(await machineFacts(setting)), `Chromium ${setting.browser.version()}`];
    const turns = await calibrate(setting, fullCores);
    const figures = summary(await measureAll(setting, { ...wanted, turns }));
    const { contenders, everything } = wanted;
    const idle = contenders.includes("idle") ? await wait(setting, wanted) : undefined;
    const starts = contenders.includes("start") ? await start(setting, wanted) : undefined;
    const packageBytes = packageSizes(setting.packageDir).br;
    publish({ figures, idle, starts, packageBytes, facts, how: howText(wanted), everything });
  } finally {
    await setting.close();
  }
}

/** As many workers as the machine of the goals has cores. */
const fullCores = 2;

/** Measures how many turns of arithmetic take a millisecond while all workers compute. */
export async function calibrate(setting, workers) {
  const speeds = await withPage(setting, { jobs: "empty" }, ({ page }) =>
    page.call("calibrate", workers),
  );
  console.log(`1 ms of work is ${grouped(Math.round(median(speeds)))} turns of arithmetic`);
  return median(speeds);
}

/**
 * Measures all contenders in turn, for each duration of jobs.
 *
 * @param {Awaited<ReturnType<typeof openSetting>>} setting
 * @param {ReturnType<typeof readArguments> & { turns: number }} wanted
 */
export async function measureAll(setting, wanted) {
  const names = Object.keys(contenders).filter((name) => wanted.contenders.includes(name));
  const rounds = [];
  for (let round = 0; round < wanted.rounds; round++) {
    for (const row of rows) {
      if (!wanted.jobs.includes(row.job_ms) || !wanted.workers.includes(row.workers)) continue;
      let yardstick;
      for (const name of names) {
        if (row.workers === 1 && !alone.includes(name)) continue;
        const figure = await measure(setting, { ...wanted, ...row, name });
        if (name === "memory") yardstick = figure.jobs_per_s;
        rounds.push({ ...figure, efficiency: yardstick ? figure.jobs_per_s / yardstick : null });
        logFigure(rounds.at(-1));
      }
    }
  }
  return rounds;
}

const scripts = {
  memory: "memory.js",
  five: "five-calls.js",
  two: "two-calls.js",
  sync: "engine.js",
  old: "engine.js",
};

/** The time after its first result that a contender gets to reach its steady state. */
const warmupS = 3;

/** Measures one contender in its steady state. */
function measure(setting, { name, job_ms, delay_ms, workers, turns, seconds }) {
  const order = { script: scripts[name], turns: Math.round(job_ms * turns), cores: workers };
  const at = { delayMs: delay_ms, old: name === "old" };
  return withPage(setting, at, async (place) => {
    place.seen = 0;
    await place.page.call("begin", order);
    const look = name === "memory" ? lookAtWorkers : lookAtTracker;
    await watch(place, look, ({ looks }) => looks.at(-1).jobs > 0);
    await watch(place, look, ({ ms }) => ms >= 1000 * Math.min(warmupS, seconds));
    const leastMs = Math.max(1000 * seconds, 20 * job_ms);
    const before = await spent(place);
    // Results may arrive in batches, so the measurement lasts from the first batch to the last.
    const looks = await watch(
      place,
      look,
      ({ looks, ms }) => ms >= leastMs && heaps(looks).length >= 3,
    );
    const after = await spent(place);
    const own =
      name === "memory" ? reportedRate(before, after) : accepted(looks, place.proxy.requests);
    return {
      ...{ contender: contenders[name], job_ms, delay_ms, workers },
      ...own,
      ...cost(before, after),
    };
  });
}

/** @typedef {{ at: number, jobs: number }} Look the number of completed jobs at a time */

/** The polling interval. Each poll costs as much as a request and competes for the same cores. */
const lookEveryMs = 250;

/**
 * Reads the number of results from the tracker itself, bypassing the proxy. The number changes when the
 * tracker answers a request, and the proxy knows the exact time of each answer.
 */
async function lookAtTracker(place) {
  const { tracker, proxy, page } = place;
  if (proxy.answered.length === place.seen) await Promise.race([proxy.answer(), sleep(1000)]);
  if (proxy.answered.length === place.seen) await page.workers();
  const { closed, stages } = await (await fetch(`${tracker.url}/api/status`)).json();
  if (stages[0].open === 0) throw new Failure("The tracker ran out of jobs.");
  const isNew = proxy.answered.length !== place.seen;
  place.seen = proxy.answered.length;
  return { at: isNew ? proxy.answered.at(-1) : performance.now(), jobs: closed };
}

/** Reads the number of results from workers that have no tracker. */
async function lookAtWorkers({ page }) {
  return { at: performance.now(), jobs: total(await page.workers(), "jobs") };
}

/** The timeout for a new result. */
const patienceMs = 60_000;

/**
 * Polls `look` until `enough` is true.
 *
 * @returns {Promise<Look[]>}
 */
async function watch(place, look, enough) {
  const looks = [];
  for (;;) {
    looks.push(await look(place));
    const ms = looks.at(-1).at - looks[0].at;
    if (enough({ looks, ms })) return looks;
    const last = heaps(looks).at(-1) ?? looks[0];
    if (looks.at(-1).at - last.at > patienceMs)
      throw new Failure(`No result arrived for ${patienceMs / 1000} s.`);
    await sleep(lookEveryMs);
  }
}

/** The looks with more results than the one before. */
function heaps(looks) {
  return looks.filter(({ jobs }, index) => index > 0 && jobs > looks[index - 1].jobs);
}

/**
 * The rate of accepted results, from the time after the first batch to the time after the last.
 *
 * @param {Look[]} looks
 * @param {{ at: number }[]} requests
 */
export function accepted(looks, requests) {
  const [from, to] = [heaps(looks)[0], heaps(looks).at(-1)];
  const jobs = to.jobs - from.jobs;
  const count = requests.filter(({ at }) => at > from.at && at <= to.at).length;
  return { jobs_per_s: jobs / ((to.at - from.at) / 1000), requests_per_job: count / jobs };
}

/** The rate of jobs that workers report, each measured between the ends of two of its own jobs. */
export function reportedRate({ workers: before }, { workers: after }) {
  const rates = after.map((now, core) => {
    const then = before[core];
    return (now.jobs - then.jobs) / ((now.at - then.at) / 1000);
  });
  return { jobs_per_s: sum(rates), requests_per_job: null };
}

/** The resources used so far: processor time in seconds, and the reports of the workers. */
async function spent({ page, tracker }) {
  const others = processesBelow(process.pid).filter(({ pid }) => pid !== tracker.pid);
  const { user, system } = process.cpuUsage();
  return {
    at: performance.now(),
    workers: await page.workers(),
    machine: busySeconds(),
    browser: sum(others.map(({ pid }) => processorSeconds(pid) ?? 0)),
    tracker: processorSeconds(tracker.pid) ?? 0,
    proxy: (user + system) / 1e6,
  };
}

/** The duration of a job, and shares of a core in percent. */
function cost(before, after) {
  const more = (name) => total(after.workers, name) - total(before.workers, name);
  const share = (who) => (100 * (after[who] - before[who])) / ((after.at - before.at) / 1000);
  const [browser, tracker, proxy, all] = ["browser", "tracker", "proxy", "machine"].map(share);
  const others = Math.max(0, all - browser - tracker - proxy);
  return { took_ms: more("busyMs") / more("jobs"), browser, tracker, proxy, others };
}

const sum = (numbers) => numbers.reduce((all, one) => all + one, 0);
const total = (objects, name) => sum(objects.map((one) => one[name]));

/** The time after its first request that the engine gets to become idle. */
const settleMs = 5000;

/** Measures the engine while there are no open jobs. */
async function wait(setting, { idleSeconds }) {
  const wait_s = await withPage(setting, { jobs: "empty" }, ({ tracker }) => waitOf(tracker.url));
  return await withPage(setting, { jobs: "empty" }, async ({ page, proxy }) => {
    await page.call("begin", { script: "engine.js", turns: 0, cores: fullCores });
    const since = performance.now();
    while (!proxy.requests.some(({ path }) => path === "/api/sync")) {
      if (performance.now() - since > patienceMs) throw new Failure("The engine requests no jobs.");
      await page.workers();
      await sleep(50);
    }
    await sleep(settleMs);
    const renderers = processesBelow(process.pid).filter(isRenderer);
    const used = () => sum(renderers.map(({ pid }) => processorSeconds(pid) ?? 0));
    const before = { at: performance.now(), used: used() };
    await sleep(1000 * idleSeconds);
    const seconds = (performance.now() - before.at) / 1000;
    const core_percent = (100 * (used() - before.used)) / seconds;
    const times = proxy.requests.map(({ at }) => at).filter((at) => at > before.at);
    const every_s = times.length < 2 ? seconds : meanGap(times) / 1000;
    console.log(
      `idle: ${core_percent.toFixed(2)} % of a core, a request every ${every_s.toFixed(1)} s`,
    );
    return { core_percent, every_s, wait_s };
  });
}

/**
 * Measures how long it takes from the call of `start` until the first job begins, in milliseconds. The page has
 * computed before, so its scripts are there.
 */
async function start(setting, { starts }) {
  return await withPage(setting, {}, async ({ page }) => {
    const took = [];
    for (let time = 0; time <= starts; time++)
      took.push(await page.call("startOnce", { turns: 0, cores: fullCores }));
    const warm = took.slice(1);
    console.log(`from start to the first job: ${median(warm).toFixed(0)} ms`);
    return { median_ms: median(warm), least_ms: Math.min(...warm), most_ms: Math.max(...warm) };
  });
}

const isRenderer = ({ command }) => command.includes("--type=renderer");
const meanGap = (times) => (times.at(-1) - times[0]) / (times.length - 1);

/** The time after which a tracker without jobs wants to be asked again. */
async function waitOf(url) {
  const { token } = await (await fetch(`${url}/api/new?stage=a&nickname=bench`)).json();
  const answer = await fetch(`${url}/api/sync`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ token, seq: 1, want: 1 }),
  });
  return (await answer.json()).wait_s;
}

function logFigure({
  contender,
  job_ms,
  delay_ms,
  jobs_per_s,
  efficiency,
  requests_per_job,
  ...rest
}) {
  const parts = [`${rest.workers} workers, ${grouped(Number(jobs_per_s.toFixed(1)))} jobs/s`];
  if (efficiency != null) parts.push(`efficiency ${efficiency.toFixed(3)}`);
  if (requests_per_job != null) parts.push(`${requests_per_job.toFixed(3)} requests a job`);
  parts.push(`a job took ${rest.took_ms.toFixed(2)} ms`);
  const shares = ["browser", "tracker", "proxy", "others"].map(
    (who) => `${who} ${rest[who].toFixed(0)} %`,
  );
  const what = `${contender}, jobs of ${job_ms} ms, delay ${delay_ms} ms`;
  console.log(`${what}: ${[...parts, ...shares].join(", ")}`);
}

function howText({ rounds, seconds, idleSeconds, starts }) {
  return [
    "Browser, tracker, proxy and benchmark share one machine and its cores; `browser %`, " +
      "`tracker %`, `proxy %` (with the benchmark itself) and `others %` (everything else on the " +
      "machine) are what each took, in percent of a core.",
    `${warmupS} s of warm-up after the first result, then at least ${seconds} s and 20 jobs a ` +
      `worker; medians of ${rounds} rounds that take turns. Jobs are counted by the tracker, but ` +
      "for `memory`, which has none.",
    "A job is a fixed number of turns of arithmetic, calibrated once for all contenders; `took ms` " +
      "is what it really took. Four workers share two cores.",
    `Idle is measured for ${idleSeconds} s, on the browser's renderer processes.`,
    `The start is measured ${starts} times on one page after a first time that does not count: a new ` +
      "`Volunteer`, until its first job begins in a worker, with two workers and no delay.",
  ];
}
