// What is fuzzed, and what must hold: nothing traps or goes unheard, each call comes to an end, what
// it throws is an error of the package with a code that its types name, and afterwards it all works.
//
// Each of these does one case: `choices` says which. What it throws is what is wrong.

import { nearlyAnswer } from "./answers.js";
import { found } from "./found.js";
import { anything, nearly, raw, valueOf } from "./values.js";
import { emptyFile, freshPackage, knownCodes, said, Tracker, World } from "./world.js";

/** No call may take longer, by the clock of its world. */
const longestMs = 400_000;

/** What was done, for whoever reads of a failure. */
class Case {
  story = [];

  constructor(choices, module, codes) {
    Object.assign(this, { choices, module, codes, world: new World(), tracker: new Tracker() });
    window.fetch = (request) => this.tracker.fetch(request);
  }

  tell(line) {
    this.story.push(line.length > 600 ? `${line.slice(0, 600)}…` : line);
  }

  require(holds, what) {
    if (!holds) throw new Error(what);
  }

  /** That an outcome is one that the package's types promise. */
  judge(outcome, what, fits = () => true) {
    this.require(outcome, `${what} came to no end`);
    if (!("thrown" in outcome)) {
      this.require(fits(outcome.value), `${what} gave ${show(outcome.value)}`);
      return;
    }
    const { thrown } = outcome;
    const { module, codes } = this;
    this.require(thrown instanceof module.DistcomputeError, `${what} threw ${said(thrown)}`);
    const { name, code, message } = thrown;
    const isNamed = module[name] !== undefined && thrown instanceof module[name];
    this.require(isNamed, `${what} threw an error named ${name}`);
    this.require(codes.has(code), `${what} threw an error with the code ${code}`);
    this.require(message !== "" && !message.includes("panicked"), `${what} threw "${message}"`);
  }

  calm() {
    const { complaints } = this.world;
    this.require(complaints.length === 0, `nobody caught: ${complaints.join("; ")}`);
  }
}

function show(value) {
  try {
    return `${typeof value} ${String(JSON.stringify(value)).slice(0, 200)}`;
  } catch {
    return typeof value;
  }
}

const options = { url: "http://t.example/base", stage: "a", nickname: "Pod 3", verbose: true };
const callOptions = { signal: raw("new AbortController().signal"), timeoutMs: 1000 };
const dump = {
  ...{ version: 1, url: "http://t.example", stage: "b", nickname: "Pod 3", verbose: false },
  ...{ token: "secret", displayName: "hematin-hanking-71", project: "LAION-5B", stageName: "GPU" },
  ...{ jobId: 7, jobData: "<!json!>[1]" },
};
const settings = {
  ...{ cores: 2, intensity: 50, pauseOnBattery: true, background: false },
  hours: { from: 60, to: 1400 },
};
const limits = { jobTimeoutMs: 60_000, stallMs: 5_000, progressIntervalMs: 1_000 };
const volunteerOptions = {
  ...{ url: "http://t.example", nickname: "Pod 3", spawn: raw("spawn"), settings, limits },
};

/** What each function and member takes. One that is not here is called with anything. */
const takes = {
  init: [options, callOptions],
  load: [dump],
  work: [{ setup: raw("() => 1"), handler: raw("() => [1]") }],
  Volunteer: [{ ...volunteerOptions, stages: ["b", "a"] }],
  "Client.jobCount": [callOptions],
  "Client.newJob": [callOptions],
  "Client.completeJob": [{ found: 3, names: ["a"] }, callOptions],
  "Client.log": ["1 / 2", callOptions],
  "Client.isAlive": [callOptions],
  "Client.flagInvalidData": [callOptions],
  "Client.bye": [callOptions],
  runJob: [
    raw("({ data }) => [data]"),
    { data: { seed: 1 }, stage: "b", attempt: 2, restored: [1] },
  ],
  "Volunteer.subscribe": [raw("() => {}"), { signal: raw("new AbortController().signal") }],
  "Volunteer.addEventListener": ["job", raw("() => {}"), { once: true }],
  "Volunteer.removeEventListener": ["job", raw("() => {}")],
  "Volunteer.pause": [1000],
  "Volunteer.stop": [{ finish: true }],
  "Volunteer.set": [{ ...settings, nickname: "Ada" }],
};

/** What comes of members, where the types say more than "void". */
const gives = {
  init: (value) => typeof value.displayName === "string",
  load: (value) => typeof value.displayName === "string",
  "Client.jobCount": Number.isInteger,
  "Client.isAlive": (value) => typeof value === "boolean",
  "Client.dump": (value) => value.version === 1 && JSON.stringify(value) !== undefined,
  "Client.jobId": (value) => value === null || Number.isSafeInteger(value),
  runJob: ({ output, failure }) => (output === undefined) === (failure !== null),
  "Volunteer.subscribe": (value) => typeof value === "function",
  "Volunteer.status": isShown,
};

/** Promises that settle when workers answer, which those of these cases never do. */
const mayWait = ["Volunteer.start", "Volunteer.stop"];

/** These are not ours: wasm-bindgen makes them, and what they throw. */
const foreign = /^(default|initSync|__.*)$/;

/** Whether it is a status as the types have it. */
function isStatus(status) {
  const isNumber = (value) => Number.isFinite(value) && value >= 0;
  const counts = [
    "jobsDone",
    "jobsUnconfirmed",
    "jobsInvalid",
    "jobsFailed",
    "jobsRejected",
    "waiting",
    "computeMs",
  ];
  return (
    Object.isFrozen(status) &&
    typeof status.reason.code === "string" &&
    counts.every((name) => isNumber(status[name])) &&
    status.cores.every(
      (core) => [core.done, core.total, core.jobsPerMinute].every(isNumber) && "job" in core,
    )
  );
}

/** Whether it is what the page itself knows. All else the hub has said. */
function isShown(status) {
  return Object.isFrozen(status) && status.settings.cores > 0;
}

const isClass = (value) => typeof value === "function" && /^class\b/.test(String(value));

/** The members of a class that somebody may use, by name: also those that it inherits. */
function membersOf(type) {
  const members = [];
  for (let of = type.prototype; of !== Object.prototype; of = Object.getPrototypeOf(of)) {
    for (const name of Reflect.ownKeys(of)) {
      if (name === "constructor" || foreign.test(String(name))) continue;
      members.push({ name, ...Object.getOwnPropertyDescriptor(of, name) });
    }
  }
  return members;
}

/** Texts of what a function of this name is called with. */
function argumentsOf(choices, name) {
  const good = takes[name];
  if (!good || choices.once(20)) return choices.list(3, () => anything(choices));
  const given = good.map((value) => nearly(choices, value));
  return given.slice(0, given.length - choices.below(2));
}

/** A worker that does nothing. */
class Idler extends EventTarget {
  heard = [];

  postMessage(message) {
    this.heard.push(message);
  }

  terminate() {
    this.ended = true;
  }

  says(message) {
    this.dispatchEvent(new MessageEvent("message", { data: { dc: 1, ...message } }));
  }
}

const makers = {
  async Client(one) {
    const { value } = await one.world.outcome(() => one.module.init(options), longestMs);
    return value;
  },
  async Volunteer(one) {
    window.spawn = () => new Idler();
    const given = { ...volunteerOptions, spawn: window.spawn, stage: "a" };
    return new one.module.Volunteer(given);
  },
};

/** That an object is as good as new. */
const works = {
  async Client(one, client) {
    const call = (name, ...given) => one.world.outcome(() => client[name](...given), longestMs);
    const job = await call("newJob");
    one.require(job?.value?.shard > 0, `newJob gave ${show(job?.value)} ${said(job?.thrown)}`);
    const before = one.tracker.done.length;
    const completed = await call("completeJob", "x");
    one.require(completed && !("thrown" in completed), `completeJob: ${said(completed?.thrown)}`);
    one.require(one.tracker.done.length > before, "its output did not arrive");
    one.require(client.jobId === null, "it still holds the job");
  },
  async Volunteer(one, volunteer) {
    volunteer.set({ cores: 3 });
    one.require(isShown(volunteer.status), `the status is ${show(volunteer.status)}`);
    one.require(volunteer.status.settings.cores === 3, "it did not take the settings");
  },
};

/** Any value at all, to each function, class and member of the package. */
async function calls(one) {
  const { choices, module, world } = one;
  window.DedicatedWorkerGlobalScope = undefined;
  const names = Object.keys(module).filter((name) => !foreign.test(name));
  const name = choices.of(names.sort());
  const called = module[name];
  if (called === module.DistcomputeError || called.prototype instanceof Error) return;
  const make = (of, given) => {
    one.tell(`${of}(${given})`);
    return given.map(valueOf);
  };
  window.spawn = () => new Idler();
  if (!isClass(called)) {
    const given = make(name, argumentsOf(choices, name));
    const outcome = await world.outcome(() => called(...given), longestMs);
    one.judge(outcome, name, gives[name]);
    return;
  }
  // A class without a constructor is nothing that somebody makes; what comes of it, wasm-bindgen says.
  if (takes[name] && choices.below(3) === 2) {
    const given = make(`new ${name}`, argumentsOf(choices, name));
    const outcome = await world.outcome(() => new called(...given), longestMs);
    one.judge(outcome, `new ${name}`);
    outcome.value?.free();
    return;
  }
  one.require(makers[name], `nobody has said how a ${name} is made`);
  const object = await makers[name](one);
  const members = membersOf(called).filter(
    (member) => !/^(free|Symbol)/.test(member.name.toString()),
  );
  const pending = [];
  for (let left = 1 + choices.below(6); left > 0; left -= 1) {
    const member = choices.of(members);
    const full = `${name}.${String(member.name)}`;
    const isMethod = typeof object[member.name] === "function";
    const given = isMethod ? make(full, argumentsOf(choices, full)) : [];
    const call = () => {
      const value = isMethod ? object[member.name](...given) : object[member.name];
      return mayWait.includes(full) ? undefined : value;
    };
    const outcome = world.outcome(call, longestMs).then((outcome) => [outcome, full]);
    if (choices.below(2)) one.judge(...(await outcome), gives[full]);
    else pending.push(outcome);
  }
  for (const outcome of pending) {
    const [came, full] = await outcome;
    one.judge(came, full, gives[full]);
  }
  await works[name](one, object);
  object.free();
}

/** Any answer at all, to each call of a client. */
async function answers(one) {
  const { choices, module, world, tracker } = one;
  const odd = async (request) => {
    const source = nearlyAnswer(choices, await tracker.good(request));
    one.tell(`${request.method} ${new URL(request.url).pathname}: ${source}`);
    return valueOf(source);
  };
  const limited = () => ({ timeoutMs: choices.of([1000, 30_000, 120_000]) });
  let client;
  if (choices.below(3) === 2) {
    window.fetch = odd;
    one.tell("init");
    const outcome = await world.outcome(() => module.init(options, limited()), longestMs);
    one.judge(outcome, "init", gives.init);
    client = outcome.value;
    window.fetch = (request) => tracker.fetch(request);
  }
  client ??= await makers.Client(one);
  const names = Object.keys(takes).filter((name) => name.startsWith("Client."));
  for (let left = 1 + choices.below(5); left > 0; left -= 1) {
    // Without a job most calls would ask nobody.
    if (choices.below(2)) await world.outcome(() => client.newJob(), longestMs);
    window.fetch = odd;
    const full = choices.of(names);
    const name = full.split(".")[1];
    const given = { completeJob: [[1]], log: ["1 / 2"] }[name] ?? [];
    one.tell(name);
    const outcome = await world.outcome(() => client[name](...given, limited()), longestMs);
    one.judge(outcome, name, gives[full]);
    for (const { name } of membersOf(module.Client).filter(({ get }) => get)) {
      const read = await world.outcome(() => client[name], longestMs);
      one.judge(read, name, gives[`Client.${name}`]);
    }
    const kept = JSON.parse(JSON.stringify(client.dump()));
    const again = await world.outcome(() => module.load(kept), longestMs);
    one.require(again?.value, `its own dump cannot be loaded: ${said(again?.thrown)}`);
    one.require(JSON.stringify(again.value.dump()) === JSON.stringify(kept), "another dump");
    again.value.free();
    window.fetch = (request) => tracker.fetch(request);
  }
  await works.Client(one, client);
  client.free();
}

/** What workers and other tabs say to a page, of which the hub's is taken at its word. */
const reason = { code: "computing", until: null };
const core = {
  ...{ core: 0, state: "working", job: 7, stage: "a", attempt: 1, done: 1, total: 2, text: "x" },
  ...{ jobs: 3, jobsPerMinute: 4.5 },
};
const status = {
  ...{ state: "computing", reason, error: null, elsewhere: null, cores: [core], jobsDone: 7 },
  ...{
    jobsByStage: { a: 7 },
    jobsUnconfirmed: 2,
    jobsInvalid: 0,
    jobsFailed: 0,
    jobsRejected: 0,
    notDelivered: 0,
  },
  ...{
    computeMs: 5.5,
    bytesSent: 1,
    bytesReceived: 1,
    waiting: 0,
    bytesWaiting: 0,
    files: {
      sending: 1,
      bytesSent: 1,
      bytesToSend: 2,
      fetching: 0,
      bytesFetched: 0,
      bytesToFetch: 0,
    },
    connection: "online",
  },
  ...{ project: "LAION-5B", displayName: "x-y-1", stageNames: { a: "CPU" }, settings },
};
const toPage = [
  { t: "ready" },
  { t: "cores", want: 2 },
  { t: "replace", core: 1, reason: "hangs" },
  { t: "status", status },
  { t: "farewell", requests: [{ url: "http://t.example/api/bye", body: '{"token":"t"}' }] },
  { t: "stopped" },
  { t: "renew" },
  { t: "fatal", error: { name: "ServerError", code: "internal", message: "no" } },
  { t: "error", message: "no" },
];
const toTabs = [
  { t: "hello" },
  { t: "gone" },
  { t: "status", status },
  { t: "word", word: "start" },
  { t: "word", word: "pause", given: 1000 },
  { t: "word", word: "stop", given: { finish: true } },
  { t: "word", word: "set", given: settings },
];

/** Locks that are granted, are held elsewhere, come late, or are refused. */
function locks(choices) {
  const way = choices.below(4);
  return {
    query: async () => ({ pending: valueOf(nearly(choices, [{ name: "x" }], { cloned: true })) }),
    async request(name, options, granted) {
      if (way === 3) throw new Error("refused");
      if (way !== 0 && options.ifAvailable) return granted(null);
      if (way === 2) return new Promise(() => {});
      return granted({ name });
    },
  };
}

/** Anything that a page's workers, its other tabs, its surroundings and its people may say. */
async function volunteer(one) {
  const { choices, module, world } = one;
  const cloned = { cloned: true };
  const crew = [];
  const spawned = (worker = new Idler()) => (crew.push(worker), worker);
  const held = locks(choices);
  Object.defineProperty(navigator, "locks", { value: held, configurable: true });
  const channels = [];
  window.BroadcastChannel = class extends EventTarget {
    constructor() {
      super();
      channels.push(this);
    }
    postMessage(message) {
      structuredClone(message);
    }
    close() {}
  };
  window.reportError = () => {};
  window.spawn = () => {
    if (!choices.once(20)) return spawned();
    const source = anything(choices);
    one.tell(`spawn: ${source}`);
    return valueOf(source);
  };
  const given = { ...volunteerOptions, spawn: window.spawn, stage: "a" };
  const object = new module.Volunteer(given);
  const seen = [];
  object.subscribe((status) => seen.push(status));
  object.start();
  const say = (target, good, line) => {
    const source = nearly(choices, choices.of(good), cloned);
    one.tell(`${line}: ${source}`);
    const data = valueOf(source);
    const message = Object(data) === data && !choices.once(30) ? { dc: 1, ...data } : data;
    target?.dispatchEvent(new MessageEvent("message", { data: message }));
  };
  const words = ["start", "resume", "pause", "stop", "set", "subscribe"];
  const steps = [
    () => world.pass(choices.of([1, 100, 1000, 20_000, 3_600_000])),
    () => say(crew[choices.below(crew.length || 1)], toPage, "a worker"),
    () =>
      say(
        crew.find((one) => !one.ended),
        toPage,
        "the first",
      ),
    () => crew.forEach((one) => one instanceof Idler && one.says({ t: "ready" })),
    () => say(channels[0], toTabs, "a tab"),
    () => {
      const word = choices.of(words);
      const given = argumentsOf(choices, `Volunteer.${word}`);
      one.tell(`${word}(${given})`);
      const call = () => {
        const value = object[word](...given.map(valueOf));
        return mayWait.includes(`Volunteer.${word}`) ? undefined : value;
      };
      return world.outcome(call, longestMs).then((outcome) => {
        one.judge(outcome, word);
        return outcome;
      });
    },
    () => window.dispatchEvent(new Event(choices.of(["pagehide", "pageshow"]))),
    () => crew[choices.below(crew.length || 1)]?.dispatchEvent(new Event("messageerror")),
    () => {
      const event = new Event("error");
      Object.defineProperty(event, "message", { value: valueOf(anything(choices, cloned)) });
      crew[choices.below(crew.length || 1)]?.dispatchEvent(event);
    },
  ];
  for (let left = choices.below(25); left > 0; left -= 1) {
    const step = choices.below(steps.length);
    one.tell(`step ${step}`);
    await steps[step]();
    const status = await world.outcome(() => object.status, longestMs);
    one.judge(status, "status", isShown);
  }
  await world.pass(200);
  one.require(seen.every(Object.isFrozen), "a listener got a status that is not frozen");
  await works.Volunteer(one, object);
  object.free();
  object.free();
  // The hub has a moment to put back what it holds.
  await world.pass(60_000);
  one.require(
    crew.every((worker) => worker.ended),
    "a worker lives on",
  );
}

/** A port whose other end is the test. */
class Port {
  said = [];

  postMessage(message) {
    this.said.push(structuredClone(message));
    this.onsaid?.(message);
  }

  says(message) {
    this.onmessage?.({ data: message });
  }

  close() {
    this.closed = true;
  }
}

/** Calls `work` as a worker's script does: what the page tells it, and what it tells the page. */
function worker(one, parts) {
  const hears = [];
  /** The kinds of messages that the page has got, and its last status. */
  const told = { kinds: new Set() };
  window.DedicatedWorkerGlobalScope = class {
    static [Symbol.hasInstance]() {
      return true;
    }
  };
  const realListen = window.addEventListener;
  window.addEventListener = (type, listener) => type === "message" && hears.push(listener);
  window.postMessage = (message) => {
    const { t, status, core } = structuredClone(message);
    told.kinds.add(t);
    if (t === "replace") told.replace?.(core);
    if (!status) return;
    told.status = Object.freeze(status);
    if (!isStatus(status)) one.world.complain(`a status: ${show(status)}`);
  };
  one.module.work(parts);
  window.addEventListener = realListen;
  one.require(told.kinds.has("ready"), "it is not ready");
  return { told, tell: (data) => hears.forEach((hear) => hear({ data })) };
}

const surroundings = { hidden: false, onBattery: false, utcOffsetMin: 60 };
const hubSetup = {
  ...{ url: "http://t.example", stages: ["a", "b"], nickname: "Pod 3", instance: "", cores: [] },
  ...{ settings, surroundings, limits },
};
const toHub = [
  { t: "core", core: 0, port: raw("new Port()") },
  { t: "died", core: 0, message: "trapped" },
  { t: "settings", settings },
  { t: "surroundings", surroundings },
  { t: "pause", until: 1e12 },
  { t: "resume" },
  { t: "ping" },
  { t: "stop", finish: true },
];
const task = {
  ...{ kind: "job", ticket: "1-lease", lease: true, stage: "a", number: 1, attempt: 1 },
  ...{ key: 1, input: "text", state: [1] },
};
const results = [
  { key: 1, kind: "done", data: "x", ms: 5 },
  { key: 1, kind: "done", data: `<!json!>{"f":{"$file":"${emptyFile}","bytes":0}}`, ms: 5 },
  { key: 2, kind: "failed", message: "no", ms: 5, fatal: true },
  { key: 3, kind: "invalid", message: "no", ms: 5 },
  { key: 4, kind: "stopped", ms: 1 },
];
const held = {
  ...{ key: 1, number: 1, attempt: 1, ticket: "1-lease", lease: true, stage: "a" },
  ...{ stageName: "CPU", data: "text" },
};
const fromCore = [
  { t: "up" },
  { t: "report", started: 1, progress: { key: 1, done: 1, total: 2, text: "x" }, results },
  { t: "report", checkpoint: { key: 1, state: [1] } },
  { t: "recalled", keys: [1, 2] },
  { t: "met", running: held, ended: [{ job: held, outcome: { kind: "done", data: "x" } }] },
  { t: "broken", message: "no kernel" },
  { t: "put", put: 1, key: 1, name: emptyFile, bytes: 0, type: "a/b", blob: raw("new Blob()") },
];
const hello = {
  ...{ token: "secret", display_name: "x-y-1", project: "LAION-5B", stage_name: "GPU" },
  ...{ extensions: ["sync"], lease_s: 300, max_body: 1e6, app_version: "1" },
};
const records = [
  { stage: "a", nickname: "Pod 3", seq: 7, hello },
  task,
  { ...task, kind: "done", output: "x", ticket: "2-lease" },
  { ...task, kind: "failed", said: "no", ticket: "3-lease" },
  {
    ticket: "2-lease",
    uploads: [{ name: emptyFile, bytes: 0, upload: "u", partBytes: 4, done: false }],
  },
];

function request(asked) {
  return new Promise((resolve, reject) => {
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
}

let kept;

/** Has the browser keep these things, and nothing else, for a site. */
async function keep(site, values) {
  kept ??= await (() => {
    const asked = indexedDB.open("distcompute", 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore("kept");
    return request(asked);
  })();
  const transaction = kept.transaction("kept", "readwrite");
  const store = transaction.objectStore("kept");
  store.delete(IDBKeyRange.bound([site], [site, []]));
  for (const [index, value] of values.entries()) store.put(value, [site, `job ${index}`]);
  await new Promise((resolve, reject) => {
    transaction.oncomplete = resolve;
    transaction.onabort = () => reject(transaction.error);
  });
}

let sites = 0;

/** Cache Storage that keeps nothing, fails, never answers, or resolves to anything. */
function storeOf(choices) {
  const some = async () => {
    const way = choices.below(4);
    if (way === 0) throw new DOMException("full", "QuotaExceededError");
    if (way === 1) return valueOf(anything(choices));
    return way === 2 ? undefined : new Promise(() => {});
  };
  const cache = { keys: some, match: some, put: some, delete: some };
  return { open: async () => (choices.below(4) ? cache : some()), delete: some };
}

/** Anything that storage, the page, the cores and the tracker may say to a hub. */
async function hub(one) {
  const { choices, world } = one;
  const cloned = { cloned: true };
  const tracker = (one.tracker = new Tracker({
    syncs: choices.below(3) < 2,
    files: choices.below(2) > 0,
  }));
  Object.defineProperty(window, "caches", { value: storeOf(choices), configurable: true });
  const source = () => nearly(choices, choices.of(records), cloned);
  const entries = choices.list(4, source);
  const url = `http://t.example/${(sites += 1)}`;
  if (entries.length > 0) one.tell(`storage: [${entries}]`);
  await keep(url, entries.map(valueOf));
  const { told, tell } = worker(one, () => 1);
  // What cannot begin says so, and this case would end there.
  const inherited = nearly(choices, { cores: [0, 1], before: [core] }, cloned);
  one.tell(`the hub before: ${inherited}`);
  const setup = { ...hubSetup, limits: {}, url, ...Object(valueOf(inherited)) };
  tell({ dc: 1, t: "hub", setup });
  await world.really(() => told.status);
  const ports = [];
  window.Port = window.MessagePort = class extends Port {
    constructor() {
      super();
      ports.push(this);
    }
  };
  let storm = true;
  window.fetch = async (asked, init) => {
    const request = asked instanceof Request ? asked : new Request(asked, init);
    const good = await tracker.good(request);
    if (!storm || choices.below(2)) return new Response(good.text ?? JSON.stringify(good.json));
    const source = nearlyAnswer(choices, good);
    one.tell(`${request.method} ${new URL(request.url).pathname}: ${source}`);
    return valueOf(source);
  };
  /** Nearly what is said truly: with the keys of jobs that are here. */
  const keyed = (message) => {
    const keys = ports.flatMap(({ said }) => said).flatMap(({ jobs }) => jobs ?? []);
    if (keys.length === 0) return message;
    const key = () => keys[choices.below(keys.length)].key;
    if (message.blob) return { ...message, key: key() };
    return JSON.parse(JSON.stringify(message), (name, value) => (name === "key" ? key() : value));
  };
  const steps = [
    () => world.pass(choices.of([1, 50, 1000, 20_000, 120_000])),
    () => {
      const source = nearly(choices, choices.of(toHub), cloned);
      one.tell(`the page: ${source}`);
      const data = valueOf(source);
      tell(Object(data) === data ? { dc: 1, ...data } : data);
    },
    () => {
      const port = ports[choices.below(ports.length || 1)];
      const source = nearly(choices, keyed(choices.of(fromCore)), cloned);
      one.tell(`a core: ${source}`);
      port?.says(valueOf(source));
    },
    () => tell({ dc: 1, t: "core", core: choices.below(3), port: new window.Port() }),
  ];
  for (let left = choices.below(30); left > 0; left -= 1)
    await steps[choices.below(steps.length)]();
  // From here on all is well: whoever has not been told to end must work.
  storm = false;
  const isOver = () => ["stopped", "fatal", "renew"].some((kind) => told.kinds.has(kind));
  const before = tracker.done.length;
  tell({ dc: 1, t: "settings", settings: { ...settings, hours: null, background: true } });
  tell({ dc: 1, t: "surroundings", surroundings });
  tell({ dc: 1, t: "resume" });
  const begin = (place) => {
    const port = new window.Port();
    tell({ dc: 1, t: "died", core: place, message: "" });
    tell({ dc: 1, t: "core", core: place, port });
    port.onsaid = ({ t, jobs }) => {
      if (t !== "jobs") return;
      const results = jobs.map(({ key }) => ({ key, kind: "done", data: "good", ms: 10 }));
      setTimeout(() => port.says({ t: "report", results }), 10);
    };
    port.says({ t: "met" });
    port.says({ t: "up" });
  };
  // A core that is told to stop a job of which it knows nothing is replaced, as the page does it.
  told.replace = (place) => setTimeout(begin, 10, place);
  // All three, also the one that is one too many: whatever it claims to run, nobody would end.
  [0, 1, 2].forEach(begin);
  const delivered = () => tracker.done.slice(before).includes("good");
  await world.until(() => isOver() || delivered(), 4 * 3_600_000);
  one.require(isOver() || delivered(), `it does not work any more: ${show(told.status)}`);
}

const jobData = ['"text"', '"<!json!>[1]"', '"<!json!>{"', '""', "null", "undefined", "7"];
const files = { [emptyFile]: raw("new Blob()") };
const given = {
  ...{ key: 1, number: 7, attempt: 1, stage: "a", stageName: "CPU", data: raw('"x"') },
  files,
};
const toCore = [
  { t: "jobs", project: "LAION-5B", jobs: [given, { ...given, key: 2 }] },
  { t: "recall" },
  { t: "intensity", intensity: 5 },
  { t: "signals", slots: [["blob:x", "blob:x", "blob:x", "blob:x", "blob:x"]] },
  { t: "stop", key: 1, signalled: true },
  { t: "kept", put: 1 },
  { t: "kept", put: 1, refused: "file_no_room: no" },
];

/** Anything that a hub, and the owner's own handler, may do to a compute worker. */
async function compute(one) {
  const { choices, world } = one;
  const acts = [
    () => `return ${anything(choices)}`,
    () => `throw ${anything(choices)}`,
    () => `context.progress(${choices.list(3, () => anything(choices))}); return "x"`,
    () => `context.checkpoint(${anything(choices)}); return "x"`,
    () => `context.invalid(${anything(choices)})`,
    () => `return context.put(${anything(choices)}, ${anything(choices)})`,
    () => `return job.file(${anything(choices)})`,
    () => `try { context.invalid() } catch {} return ${anything(choices)}`,
    () => `context.signal.dispatchEvent(new Event("abort")); return rejected(${anything(choices)})`,
    () =>
      `context.signal; return new Promise((done) => setTimeout(done, 99, ${anything(choices)}))`,
    () => `Object.assign(context, { progress: 1 }); job.id = ${anything(choices)}; return [job]`,
  ];
  /** Handlers that have not come to an end. */
  let running = 0;
  const ended = () => (running -= 1);
  const setup = choices.below(4) ? "undefined" : `() => (${anything(choices)})`;
  const { told, tell } = worker(one, {
    setup: valueOf(setup),
    handler: (job, context) => {
      if (job.data === "good") return "good";
      const source = choices.of(acts)();
      one.tell(`handler: ${source}`);
      running += 1;
      let output;
      try {
        return (output = valueOf(`(job, context) => { ${source} }`)(job, context));
      } finally {
        new Promise((resolve) => resolve(output)).then(ended, ended);
      }
    },
  });
  one.tell(`setup: ${setup}`);
  let port = new Port();
  tell({ dc: 1, t: "compute", core: 0, port });
  await world.turns();
  const cloned = { cloned: true };
  const steps = [
    () => world.pass(choices.of([1, 50, 1000, 20_000])),
    () => {
      const jobs = choices.list(3, () => ({ ...given, data: valueOf(choices.of(jobData)) }));
      port.says({ t: "jobs", project: "LAION-5B", jobs });
    },
    () => {
      const source = nearly(choices, choices.of(toCore), cloned);
      one.tell(`the hub: ${source}`);
      port.says(valueOf(source));
    },
    () => tell({ dc: 1, t: "compute", core: 0, port: (port = new Port()) }),
  ];
  for (let left = choices.below(20); left > 0; left -= 1)
    await steps[choices.below(steps.length)]();
  await world.pass(1000);
  tell({ dc: 1, t: "compute", core: 0, port: (port = new Port()) });
  port.says({ t: "intensity", intensity: 10 });
  port.says({ t: "jobs", project: "", jobs: [{ ...given, key: 99, data: "good" }] });
  const reported = () =>
    port.said.flatMap(({ results }) => results ?? []).find(({ key }) => key === 99);
  const isBroken = () => port.said.some(({ t }) => t === "broken");
  const isWaiting = () => !port.said.some(({ t }) => t === "up");
  // A handler that never comes to an end is what a hub replaces the worker for.
  await world.until(() => reported() || isBroken(), 600_000);
  if (isBroken() || isWaiting() || (!reported() && running > 0)) return;
  one.require(reported()?.data === "good", `it made ${show(reported())} of a good job`);
  one.require(!told.kinds.has("error"), "it told the page of an error");
}

/** A worker that only listens, a status as a hub tells it, and so on: what was found needs them. */
const parts = { Idler, Port, makers, options, status, volunteerOptions, hubSetup, worker, keep };

const targets = { calls, answers, volunteer, hub, compute };
for (const [what, test] of Object.entries(found)) targets[what] = (one) => test(one, parts);

/** Those that need no package of their own: a worker's script calls `work` once. */
const sharing = [calls, answers, volunteer];

/** The names of the cases that were found once. */
export const cases = Object.keys(found);

let shared, codes;

/**
 * Does one case. Resolves to what is wrong and how it came to that, or to nothing.
 *
 * @param {keyof typeof targets} name
 * @param {import("./choices.js").Choices} choices
 */
export async function failureOf(name, choices) {
  codes ??= await knownCodes();
  const target = targets[name];
  const module = sharing.includes(target)
    ? (shared ??= await freshPackage())
    : await freshPackage();
  const one = new Case(choices, module, codes);
  try {
    await target(one);
    await one.world.pass(10);
    one.calm();
    return undefined;
  } catch (thrown) {
    // Nothing that has failed is used again.
    shared = undefined;
    const heard = one.world.complaints.map((complaint) => `  nobody caught: ${complaint}`);
    return [said(thrown), ...heard, "after:", ...one.story.map((line) => `  ${line}`)].join("\n");
  }
}
