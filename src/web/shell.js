// All scripts of this folder in one, made by `npm run shell`. Change the others, not this one.

// src/web/face.js
var DistcomputeError = class extends Error {
  constructor(code, message, status, cause, address) {
    super(message, cause === void 0 ? void 0 : { cause });
    this.code = code;
    if (status !== void 0) this.status = status;
    if (address !== void 0) this.address = address;
  }
};
function named(name, type) {
  Object.defineProperty(type.prototype, "name", { value: name, configurable: true });
  return type;
}
var ZeroJobError = named("ZeroJobError", class extends DistcomputeError {
});
var WorkerTimedOutError = named("WorkerTimedOutError", class extends DistcomputeError {
});
var NoOpenJobError = named("NoOpenJobError", class extends DistcomputeError {
});
var ServerError = named("ServerError", class extends DistcomputeError {
});
var InvalidURLError = named("InvalidURLError", class extends DistcomputeError {
});
var DumpError = named("DumpError", class extends DistcomputeError {
});
var InvalidArgumentError = named(
  "InvalidArgumentError",
  class extends DistcomputeError {
  }
);
var UnreachableError = named("UnreachableError", class extends DistcomputeError {
});
var TimeoutError = named("TimeoutError", class extends DistcomputeError {
});
var AbortError = named("AbortError", class extends DistcomputeError {
});
var NotLoadedError = named("NotLoadedError", class extends DistcomputeError {
});
var kinds = {
  ZeroJobError,
  WorkerTimedOutError,
  NoOpenJobError,
  ServerError,
  InvalidURLError,
  DumpError,
  InvalidArgumentError,
  UnreachableError,
  TimeoutError,
  AbortError
};
function makeError(name, code, message, status, cause, address) {
  return new kinds[name](code, message, status, cause, address);
}
function say(line) {
  try {
    console.log(line);
  } catch {
  }
}
var passed = 0;
var wall;
function now() {
  try {
    passed = performance.now();
    wall = void 0;
  } catch {
    const at2 = Date.now();
    passed += Math.max(0, at2 - (wall ?? at2)) || 0;
    wall = at2;
  }
  return passed;
}
function isError(value) {
  try {
    return value instanceof Error && typeof value.message === "string";
  } catch {
    return false;
  }
}
function isWorker() {
  const { DedicatedWorkerGlobalScope: Scope } = (
    /** @type {any} */
    globalThis
  );
  return Scope !== void 0 && globalThis instanceof Scope;
}
function tellPage(t, fields2) {
  if (isWorker()) postMessage({ dc: 1, t, ...fields2 });
}
function wordOf(message) {
  const { t } = Object(message);
  return typeof t === "string" ? t : "";
}
function set(object, name, value) {
  object[name] = value;
}
var door;
var announce;
var installed = new Promise((resolve) => announce = resolve);
function install(main) {
  door = main;
  announce();
}
var isLoaded = () => door !== void 0;
var whenLoaded = () => installed;
var compiled;
function keepCompiled(wasm) {
  compiled = wasm;
}
var compiledWasm = () => compiled;
function requireLoaded(name) {
  if (isLoaded()) return;
  throw new NotLoadedError(
    "not_loaded",
    `${name}() was called before the WebAssembly was loaded. First: import loadWasm from "distcompute-client"; await loadWasm();`
  );
}
function ask(name, word, ...given) {
  requireLoaded(name);
  return door(word, ...given);
}
var guarded = /* @__PURE__ */ new WeakSet();
function guard(object, name, plain) {
  const prototype = Object.getPrototypeOf(object);
  if (guarded.has(prototype)) return;
  guarded.add(prototype);
  const members2 = Object.entries(Object.getOwnPropertyDescriptors(prototype));
  for (const [member, property] of members2) {
    if (member === "constructor" || member.startsWith("__")) continue;
    const kind = property.get ? "get" : "value";
    const original = property[kind];
    property[kind] = /** @this {any} */
    function(...given) {
      if (this?.__wbg_ptr) return original.apply(this, given);
      if (member === "free") return void 0;
      const error = new InvalidArgumentError(
        "invalid_argument",
        `${member} was used of a ${name} that was freed, or of something else.`
      );
      if (kind === "get" || member === plain) throw error;
      return Promise.reject(error);
    };
    Object.defineProperty(prototype, member, property);
  }
  if (Symbol.dispose) prototype[Symbol.dispose] = prototype.free;
}
var bound = /* @__PURE__ */ new WeakSet();
function bindMethods(object) {
  const prototype = Object.getPrototypeOf(object);
  if (bound.has(prototype)) return;
  bound.add(prototype);
  const members2 = Object.entries(Object.getOwnPropertyDescriptors(prototype));
  for (const [name, { value: method }] of members2) {
    if (typeof method !== "function" || name === "constructor" || name.startsWith("__")) continue;
    const get = (
      /** @this {object} */
      function() {
        const value = method.bind(this);
        Object.defineProperty(this, name, { value });
        return value;
      }
    );
    Object.defineProperty(prototype, name, { get, configurable: true });
  }
}

// src/web/signals.js
function makeSlots(count) {
  try {
    const blob = new Blob(["1"]);
    const url = () => URL.createObjectURL(blob);
    return Array.from({ length: count }, () => Array.from({ length: 5 }, url));
  } catch {
    return [];
  }
}
function revoke(url) {
  URL.revokeObjectURL(url);
}
function readSignals(slots) {
  const signals = [];
  while (slots.length > 0 && isRevoked(slots[0][0])) {
    const [, ...bits] = slots.shift();
    const signal = bits.reduce((sum, url, bit) => sum + (Number(isRevoked(url)) << bit), 0);
    if (signal === 15) slots.length = 0;
    else signals.push(signal);
  }
  return signals;
}
function isRevoked(url) {
  try {
    const request = new XMLHttpRequest();
    request.open("GET", url, false);
    request.send();
    return request.status !== 200;
  } catch {
    return true;
  }
}
var memory;
function sleep(ms) {
  try {
    memory ??= new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    return Atomics.wait(new Int32Array(memory.buffer), 0, 0, ms) === "timed-out";
  } catch {
    return false;
  }
}

// src/web/nested.js
var alive = 0;
var counts = false;
function countNested() {
  const { Worker } = globalThis;
  if (counts || typeof Worker !== "function") return;
  counts = true;
  const construct = (target, given, newTarget) => {
    const worker = Reflect.construct(target, given, newTarget);
    let ended = false;
    alive += 1;
    worker.terminate = () => {
      if (!ended) alive -= 1;
      ended = true;
      target.prototype.terminate.call(worker);
    };
    return worker;
  };
  try {
    globalThis.Worker = new Proxy(Worker, { construct });
  } catch {
  }
}
var hasNested = () => alive > 0;

// src/web/limit.js
function within(promise, ms) {
  let timer;
  const over = new Promise((_, reject) => {
    timer = setTimeout(() => {
      const error = new Error("It did not answer in time.");
      reject(Object.assign(error, { code: "timeout" }));
    }, ms);
  });
  return Promise.race([promise, over]).finally(() => clearTimeout(timer));
}

// src/web/storage.js
var store = "kept";
var limits = { open: 3e3, read: 2e3, write: 3e4, forget: 1e4, again: 6e4 };
var opened;
var stuckUntil = -Infinity;
function open() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open("distcompute", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(store);
    request.onerror = () => reject(request.error);
    request.onsuccess = () => {
      request.result.onversionchange = () => close(request.result);
      request.result.onclose = () => opened = void 0;
      resolve(request.result);
    };
  });
  opened.catch(() => opened = void 0);
  return opened;
}
function close(database) {
  opened = void 0;
  database.close();
}
async function limited(step, ms) {
  try {
    return await within(step, ms);
  } catch (error) {
    if (error?.code === "timeout") {
      opened = void 0;
      stuckUntil = now() + limits.again;
      const over = () => stuckUntil = -Infinity;
      step.then(over, over);
    }
    throw error;
  }
}
async function transact(mode, work2) {
  const database = await open();
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(store, mode);
    const request = work2(transaction.objectStore(store));
    transaction.oncomplete = () => resolve(request?.result);
    transaction.onabort = () => reject(transaction.error);
  });
}
var all = (site) => IDBKeyRange.bound([site], [site, []]);
async function read(site, most, late) {
  const step = transact("readonly", (kept) => kept.getAll(all(site), most));
  try {
    return await limited(step, limits.open + limits.read);
  } catch (error) {
    if (error?.code === "timeout")
      step.then(
        (kept) => late("late", kept),
        () => {
        }
      );
    return [];
  }
}
async function write(site, entries) {
  if (now() < stuckUntil) return false;
  const step = transact("readwrite", (kept) => {
    for (const [name, value] of entries) {
      try {
        if (value === void 0) kept.delete([site, name]);
        else kept.put(value, [site, name]);
      } catch {
      }
    }
  });
  try {
    await limited(step, limits.write);
    return true;
  } catch {
    return false;
  }
}
async function forget(site) {
  const step = transact("readwrite", (kept) => {
    kept.delete(all(site));
  });
  await limited(step, limits.forget);
}

// src/web/output.js
var DEEPEST = 1e3;
var toString = Object.prototype.toString;
var advice = {
  Map: "hand in Object.fromEntries(map) or [...map]",
  Set: "hand in [...set]",
  Date: "hand in date.toISOString() or date.getTime()",
  Promise: "await it first",
  BigInt: "hand in String(it)",
  RegExp: "hand in String(it)",
  Error: "hand in its message",
  ArrayBuffer: "hand in [...new Uint8Array(buffer)], or a text, for example base64",
  DataView: "hand in numbers, or a text, for example base64"
};
var typed = "hand in Array.from(it), or a text, for example base64";
var fields = "give its class a toJSON(), or hand in a plain object";
function flaw(what, help) {
  return { what, help, path: [] };
}
function at(key, found) {
  found.path.push(key);
  return found;
}
function ofNumber(number) {
  return flaw(`is ${number}`, "hand in null or a text, or leave it out");
}
function ofRest(value) {
  switch (typeof value) {
    case "number":
      return ofNumber(value);
    case "undefined":
      return flaw("is undefined", "hand in null");
    case "bigint":
      return flaw("is a BigInt", advice.BigInt);
    default:
      return flaw(`is a ${typeof value}`, "leave it out");
  }
}
function hasGetter(prototype) {
  for (let of = prototype; of && Object.getPrototypeOf(of); of = Object.getPrototypeOf(of)) {
    const properties = Object.values(Object.getOwnPropertyDescriptors(of));
    if (properties.some(({ get }) => get)) return true;
  }
  return false;
}
function ofInstance(value, prototype) {
  const kind = toString.call(value).slice(8, -1);
  if (kind === "Number" && !Number.isFinite(Number(value))) return ofNumber(Number(value));
  if (["Number", "String", "Boolean"].includes(kind)) return void 0;
  if (kind !== "Object") {
    const help = advice[kind] ?? (ArrayBuffer.isView(value) ? typed : fields);
    return flaw(`is ${/^[AEIOU]/.test(kind) ? "an" : "a"} ${kind}`, help);
  }
  const has = Object.keys(value).length > 0;
  if (has && !hasGetter(prototype)) return void 0;
  return flaw("is an instance of a class, of which fields would be lost", fields);
}
function look(value, depth, strings) {
  if (typeof value === "string") return strings ? ofText(value) : void 0;
  if (typeof value === "number") return value - value === 0 ? void 0 : ofNumber(value);
  if (typeof value === "boolean" || value === null) return void 0;
  if (typeof value !== "object") return ofRest(value);
  if (depth > DEEPEST) return flaw(`is nested deeper than ${DEEPEST} levels`, "flatten it");
  if (typeof value.toJSON === "function") {
    if (toString.call(value) === "[object Date]") return flaw("is a Date", advice.Date);
    const written = value.toJSON("");
    return typeof written === "object" && written !== null && written !== value ? members(written, depth, strings) : written === void 0 || written === value ? void 0 : look(written, depth, strings);
  }
  return members(value, depth, strings);
}
function members(value, depth, strings) {
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index += 1) {
      const member = value[index];
      if (typeof member === "number" && member - member === 0) continue;
      const found = look(member, depth + 1, strings);
      if (found) return at(index, found);
    }
    return void 0;
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    const found = ofInstance(value, prototype);
    if (found) return found;
  }
  for (const key of Object.keys(value)) {
    const member = value[key];
    if (member === void 0 || typeof member === "number" && member - member === 0) {
      if (!strings) continue;
    }
    const found = strings && ofText(key) || (member === void 0 ? void 0 : look(member, depth + 1, strings));
    if (found) return at(key, found);
  }
  return void 0;
}
var LONE = /\p{Cs}/u;
function ofText(text) {
  const found = LONE.exec(text);
  if (!found) return void 0;
  const what = `has half a character (a lone surrogate) at ${found.index}`;
  return flaw(what, "hand in text.toWellFormed(), or bytes as base64");
}
function where(path) {
  const part = (key) => {
    if (typeof key === "number") return `[${key}]`;
    if (/^[A-Za-z_$][\w$]{0,60}$/.test(key)) return `.${key}`;
    return `[${JSON.stringify(key.length > 60 ? `${key.slice(0, 60)}\u2026` : key)}]`;
  };
  const parts = path.reverse().map(part);
  const whole = `result${parts.join("")}`;
  return whole.length <= 200 ? whole : `${whole.slice(0, 120)}\u2026${whole.slice(-60)}`;
}
function said({ what, help, path }) {
  return `${where(path)} ${what}, which a result cannot hold: ${help}.`;
}
function ofThrown(value, thrown) {
  const above = /* @__PURE__ */ new Set();
  const find = (value2, depth) => {
    if (typeof value2 !== "object" || value2 === null) {
      return typeof value2 === "bigint" ? ofRest(value2) : void 0;
    }
    if (above.has(value2)) return flaw("contains itself", "break the circle");
    if (depth > DEEPEST) return flaw(`is nested deeper than ${DEEPEST} levels`, "flatten it");
    above.add(value2);
    for (const key of Object.keys(value2)) {
      const found2 = find(value2[key], depth + 1);
      if (found2) return at(Array.isArray(value2) ? Number(key) : key, found2);
    }
    above.delete(value2);
    return void 0;
  };
  const found = find(value, 0);
  if (found) return said(found);
  const why = isError(thrown) ? thrown.message : "it throws";
  return `result cannot be written as JSON: ${why}`;
}
function refuse(value, thrown) {
  try {
    return ofThrown(value, thrown);
  } catch {
    return "result cannot be read: one of its getters throws.";
  }
}
function outputJson(value) {
  let text;
  try {
    text = JSON.stringify(value);
  } catch (thrown) {
    return { flaw: refuse(value, thrown) };
  }
  try {
    const found = look(value, 0, text?.includes("\\ud") === true);
    return found ? { flaw: said(found) } : { text };
  } catch (thrown) {
    return { flaw: refuse(value, thrown) };
  }
}

// src/web/compute.js
var manyTurns = 20;
function isPlain(done, total, text) {
  return Number.isFinite(done) && done >= 0 && Number.isFinite(total) && total >= 0 && (text === void 0 || typeof text === "string" && !text.includes("\0"));
}
var aborts = /* @__PURE__ */ new WeakSet();
var isAbort = (thrown) => Object(thrown) === thrown && aborts.has(thrown);
function receive(port, hear) {
  port.onmessage = ({ data }) => hear(Object(data));
}
async function turns() {
  const { port1, port2 } = new MessageChannel();
  const begun = now();
  for (let turn = 0; turn < manyTurns; turn += 1) {
    await new Promise((resolve) => {
      port1.onmessage = resolve;
      port2.postMessage(null);
    });
  }
  port1.close();
  return now() - begun;
}
function isTrap(thrown) {
  try {
    return thrown instanceof WebAssembly.RuntimeError;
  } catch {
    return false;
  }
}
var Owner = class {
  parts;
  /** What `setup` returned. */
  setup;
  /** The run of the latest job. */
  run;
  #bell = new MessageChannel();
  /**
   * `calls` are the functions of the driver: `look(done, total, text)` returns when it wants to be
   * called again; `save(state)`, `ready()`, `flag(reason)`, `isPaused()`, `uncaught()` and `tick()`.
   */
  constructor(parts, calls) {
    this.parts = parts;
    this.calls = calls;
    this.#bell.port1.onmessage = () => calls.tick();
    this.#catchAborts();
  }
  /** Calls `tick` once the messages that have come are delivered, which no timer does as fast. */
  ring() {
    this.#bell.port2.postMessage(null);
  }
  async setUp() {
    const { owner, setup } = this.parts;
    this.setup = await setup?.call(owner);
  }
  /**
   * A handler may be told to stop where no code catches it: in a timer, or in what an engine calls
   * back. That is neither an error of the worker nor a failure of the job, which is given back.
   */
  #catchAborts() {
    const swallow = (event, thrown) => {
      if (!isAbort(thrown)) return;
      event.preventDefault();
      if (thrown === this.run?.reason && !this.run.over) this.calls.uncaught();
    };
    addEventListener("error", (event) => swallow(event, event.error));
    addEventListener("unhandledrejection", (event) => swallow(event, event.reason));
  }
};
var Run = class {
  /** Until when `progress` need not be handled. */
  #due = -Infinity;
  #controller;
  /** Who waits in `ready`. */
  #waiters = [];
  #owner;
  #job;
  #context;
  over = false;
  /** The handler has returned a promise: its thread is free while it waits. */
  isAsync = false;
  /** Why the job was stopped: an AbortError. */
  reason;
  /** Throws where what follows `mark` in the data should be JSON and is not. */
  constructor(owner, mark, number, attempt, data, stage, stageName, project, resume) {
    const run = this;
    const { calls } = owner;
    if (data?.startsWith(mark)) data = JSON.parse(data.slice(mark.length));
    owner.run = run;
    this.#owner = owner;
    this.#job = { id: number, data, attempt, stage };
    this.#context = {
      progress(done, total, text) {
        if (run.over) return;
        if (!isPlain(done, total, text)) {
          const message = "progress takes two numbers, 0 or more, and a text without U+0000.";
          throw makeError("InvalidArgumentError", "invalid_argument", message);
        }
        if (now() < run.#due) return;
        run.#due = calls.look(done, total, text);
        if (run.reason) throw run.reason;
      },
      get paused() {
        return calls.isPaused();
      },
      ready: () => new Promise((resolve, reject) => {
        run.#waiters.push({ resolve, reject });
        if (run.over || run.reason) run.wake();
        else calls.ready();
      }),
      get signal() {
        if (!run.#controller) {
          run.#controller = new AbortController();
          if (run.reason) run.#controller.abort(run.reason);
        }
        return run.#controller.signal;
      },
      invalid(reason) {
        const flaw2 = typeof reason === "string" ? reason : "the handler found it invalid";
        if (!run.over) calls.flag(flaw2);
        throw new Error(flaw2);
      },
      checkpoint(state) {
        if (!run.over) calls.save(state);
      },
      resume,
      setup: owner.setup,
      stage,
      stageName,
      project
    };
  }
  /** Calls the handler: its output, or a promise of it if `isAsync` is true then. */
  call() {
    const { owner, handler } = this.#owner.parts;
    const output = handler.call(owner, this.#job, this.#context);
    if (typeof output?.then !== "function") return output;
    this.isAsync = true;
    return new Promise((resolve, reject) => output.then(resolve, reject));
  }
  stop() {
    const message = "The job shall stop: let this error pass.";
    this.reason ??= makeError("AbortError", "aborted", message);
    aborts.add(this.reason);
    this.#due = -Infinity;
    this.#controller?.abort(this.reason);
  }
  end() {
    this.over = true;
    this.wake();
  }
  /** Lets the handler go on where it waits in `ready`. */
  wake() {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const { resolve, reject } of waiters) {
      if (this.reason) reject(this.reason);
      else resolve();
    }
  }
};

// src/web/work.js
function read2(parts) {
  if (typeof parts === "function") return { handler: parts };
  try {
    const { setup, handler } = parts;
    const fits = [handler, setup ?? handler].every((given) => typeof given === "function");
    return fits ? { owner: parts, setup, handler } : void 0;
  } catch {
    return void 0;
  }
}
var misspelt = (given) => isLoaded() ? ask("work", "misspelt", given) : void 0;
var called = false;
function begin(given, adopt) {
  const parts = read2(given);
  const wrong = !isWorker() ? "work() is for the script of a dedicated worker, which a Volunteer's spawn() starts." : misspelt(given) ?? (parts ? called && "work() was called before in this worker." : "work() takes a function, or an object { setup?, handler } of functions.");
  if (wrong) {
    tellPage("error", { message: wrong });
    throw makeError("InvalidArgumentError", "invalid_argument", wrong);
  }
  called = true;
  countNested();
  let core, hear;
  const obey = (data) => {
    if (hear) hear(wordOf(data), data);
    else if (data.t === "compute") {
      if (core) core.meet(data.port);
      else core = ask("work", "compute", parts, data.port);
    } else if (data.t === "hub" && !core) {
      hear = ask("work", "hub", data.setup) ?? (() => {
      });
    }
  };
  let early = isLoaded() ? void 0 : [];
  const load = async (wasm) => {
    try {
      await (adopt ? adopt(wasm) : whenLoaded());
      const late = misspelt(given);
      if (late) throw makeError("InvalidArgumentError", "invalid_argument", late);
    } catch (error) {
      return tellPage("error", { message: String(error?.message ?? error) });
    }
    const messages = early;
    early = void 0;
    for (const data of messages) obey(data);
  };
  addEventListener("message", ({ data }) => {
    if (data?.dc !== 1) return;
    if (!early) return obey(data);
    if (early.push(data) === 1) load(data.wasm).catch(reportError);
  });
  if (adopt || isLoaded()) tellPage("ready");
  else whenLoaded().then(() => tellPage("ready"));
}
function work(parts) {
  begin(parts);
}
export {
  AbortError,
  DistcomputeError,
  DumpError,
  InvalidArgumentError,
  InvalidURLError,
  NoOpenJobError,
  NotLoadedError,
  Owner,
  Run,
  ServerError,
  TimeoutError,
  UnreachableError,
  WorkerTimedOutError,
  ZeroJobError,
  ask,
  begin,
  bindMethods,
  compiledWasm,
  countNested,
  forget,
  guard,
  hasNested,
  install,
  isError,
  isLoaded,
  isTrap,
  isWorker,
  keepCompiled,
  makeError,
  makeSlots,
  now,
  outputJson,
  read,
  readSignals,
  receive,
  requireLoaded,
  revoke,
  say,
  set,
  sleep,
  tellPage,
  turns,
  whenLoaded,
  within,
  wordOf,
  work,
  write
};
