// What the package exports that must be JavaScript: the error classes, because wasm-bindgen cannot subclass
// `Error`, and what may be called before the wasm is loaded or after `free()`. It contains no rules.

/** The base of all errors of this library. */
export class DistcomputeError extends Error {
  constructor(code, message, status, cause, address) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    if (status !== undefined) this.status = status;
    if (address !== undefined) this.address = address;
  }
}

// On the prototype, as the names of the built-in errors are.
function named(name, type) {
  Object.defineProperty(type.prototype, "name", { value: name, configurable: true });
  return type;
}

export const ZeroJobError = named("ZeroJobError", class extends DistcomputeError {});
export const WorkerTimedOutError = named("WorkerTimedOutError", class extends DistcomputeError {});
export const NoOpenJobError = named("NoOpenJobError", class extends DistcomputeError {});
export const ServerError = named("ServerError", class extends DistcomputeError {});
export const InvalidURLError = named("InvalidURLError", class extends DistcomputeError {});
export const DumpError = named("DumpError", class extends DistcomputeError {});
export const InvalidArgumentError = named(
  "InvalidArgumentError",
  class extends DistcomputeError {},
);
export const UnreachableError = named("UnreachableError", class extends DistcomputeError {});
export const TimeoutError = named("TimeoutError", class extends DistcomputeError {});
export const AbortError = named("AbortError", class extends DistcomputeError {});
export const FileError = named("FileError", class extends DistcomputeError {});
export const StartError = named("StartError", class extends DistcomputeError {});
export const NotLoadedError = named("NotLoadedError", class extends DistcomputeError {});

const kinds = {
  ZeroJobError,
  WorkerTimedOutError,
  NoOpenJobError,
  ServerError,
  InvalidURLError,
  DumpError,
  InvalidArgumentError,
  UnreachableError,
  TimeoutError,
  AbortError,
  FileError,
  StartError,
};

export function makeError(name, code, message, status, cause, address) {
  return new kinds[name](code, message, status, cause, address);
}

// What the page has replaced may throw or give anything. Nothing of that may unwind through the
// wasm, whose promises would never settle: here it becomes an Error, or nothing.

let passed = 0;
/** @type {number | undefined} */
let wall;

/** Milliseconds that only grow, also where there is no such clock and the other one is set. */
export function now() {
  try {
    passed = performance.now();
    wall = undefined;
  } catch {
    const at = Date.now();
    passed += Math.max(0, at - (wall ?? at)) || 0;
    wall = at;
  }
  return passed;
}

/** Whether a thrown value is an error that can be read. */
export function isError(value) {
  try {
    return value instanceof Error && typeof value.message === "string";
  } catch {
    return false;
  }
}

/**
 * Resolves to the SHA-256 of bytes in hexadecimal digits, by the browser, which needs a fifth of the time that the
 * wasm does. To nothing where it does not: in pages without https, and of bytes that other threads may change.
 */
export async function sha256(bytes) {
  try {
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
  } catch {
    return undefined;
  }
}

/** Whether this is a worker of a page. */
export function isWorker() {
  const { DedicatedWorkerGlobalScope: Scope } = /** @type {any} */ (globalThis);
  return Scope !== undefined && globalThis instanceof Scope;
}

/** Says something to the page whose worker this is. */
export function tellPage(t, fields) {
  if (isWorker()) postMessage({ dc: 1, t, ...fields });
}

/** Gives an object a field. */
export function set(object, name, value) {
  object[name] = value;
}

/** Freezes a value and all that is in it. It may contain itself, and what cannot be frozen. */
export function freezeAll(value) {
  const left = [value];
  while (left.length > 0) {
    const next = left.pop();
    if (!(next instanceof Object) || Object.isFrozen(next)) continue;
    try {
      left.push(...Object.values(Object.freeze(next)));
    } catch {
      // A typed array cannot be frozen, and holds no objects.
    }
  }
}

let installed;
let announce;
const started = new Promise((resolve) => (announce = resolve));

/** Called by the wasm when it starts, with its functions for the scripts of this folder: see work.rs. */
export function install(functions) {
  installed = functions;
  announce();
}

/** Whether the wasm has started. */
export const isLoaded = () => installed !== undefined;

/** Resolves when the wasm has started. */
export const whenLoaded = () => started;

let compiled;

/**
 * Keeps the compiled wasm for the workers of this page: `{ module, build }`, where `build` names the
 * files that belong together. Only the published package calls it.
 */
export function keepCompiled(wasm) {
  compiled = wasm;
}

export const compiledWasm = () => compiled;

/** The functions of the wasm. Throws where it has not started; `name` is what was called. */
export function loaded(name) {
  if (isLoaded()) return installed;
  throw new NotLoadedError(
    "not_loaded",
    `${name}() was called before the WebAssembly was loaded. First: ` +
      `import loadWasm from "distcompute-client"; await loadWasm();`,
  );
}

export async function init(options, callOptions) {
  return await loaded("init").init(options, callOptions);
}

export function load(dump) {
  return loaded("load").load(dump);
}

export class Volunteer {
  constructor(options) {
    const made = loaded("new Volunteer").openVolunteer(options);
    // The members are those of wasm-bindgen's class, which is not there before the first volunteer is.
    Object.setPrototypeOf(Volunteer.prototype, Object.getPrototypeOf(made));
    return Object.setPrototypeOf(made, new.target.prototype);
  }
}

const guarded = new WeakSet();

/**
 * Has the members of the class of `object` say what is wrong where they are used of one that was freed:
 * wasm-bindgen throws "null pointer passed to rust". All methods return promises but `plain`.
 */
export function guard(object, name, plain) {
  const prototype = Object.getPrototypeOf(object);
  if (guarded.has(prototype)) return;
  guarded.add(prototype);
  const members = Object.entries(Object.getOwnPropertyDescriptors(prototype));
  for (const [member, property] of members) {
    if (member === "constructor" || member.startsWith("__")) continue;
    const kind = property.get ? "get" : "value";
    const original = property[kind];
    property[kind] = /** @this {any} */ function (...given) {
      // wasm-bindgen's field: where the object is in the wasm's memory.
      if (this?.__wbg_ptr) return original.apply(this, given);
      if (member === "free") return undefined;
      const error = new InvalidArgumentError(
        "invalid_argument",
        `${member} was used of a ${name} that was freed, or of something else.`,
      );
      if (kind === "get" || member === plain) throw error;
      return Promise.reject(error);
    };
    Object.defineProperty(prototype, member, property);
  }
  if (Symbol.dispose) prototype[Symbol.dispose] = prototype.free;
}

const bound = new WeakSet();

/**
 * Has the methods of the class of `object` work without `this`: stores and event listeners are given the bare
 * functions. A bound method is made once for each object.
 */
export function bindMethods(object) {
  const prototype = Object.getPrototypeOf(object);
  if (bound.has(prototype)) return;
  bound.add(prototype);
  const members = Object.entries(Object.getOwnPropertyDescriptors(prototype));
  for (const [name, { value: method }] of members) {
    if (typeof method !== "function" || name === "constructor" || name.startsWith("__")) continue;
    const get = /** @this {object} */ function () {
      const value = method.bind(this);
      Object.defineProperty(this, name, { value });
      return value;
    };
    Object.defineProperty(prototype, name, { get, configurable: true });
  }
}
