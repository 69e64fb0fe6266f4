// How the published package loads its WebAssembly, whatever it is made of. `npm run build` bundles this
// folder with the JavaScript that wasm-bindgen has made ("#glue") and the scripts of src/web ("#bindings", "#worker").

import start, { initSync as startSync } from "#glue";
import { NotLoadedError, keepCompiled } from "#bindings";
import { begin } from "#worker";

/* global BUILD */ // A hash of the wasm: only files of one build fit each other.

let compiling;
let starting;

/**
 * Loads the wasm from what `loadWasm` was given, or else from what `own` resolves to. The first call
 * decides, unless it fails; the others wait for the same.
 */
export function load(given, own) {
  compiling ??= compile(given, own).catch((error) => {
    compiling = undefined;
    throw error;
  });
  return compiling.then(startWith);
}

/** `work` of a package whose own wasm is what `own` resolves to; without it, `work` brings none. */
export function workWith(parts, own) {
  begin(parts, async (wasm) => {
    // The page has compiled it already: that saves a request, and the compiler's time in each worker.
    if (wasm?.build === BUILD) return await startWith(wasm.module);
    if (compiling || own) return await load(undefined, own);
    throw new NotLoadedError(
      "not_loaded",
      "The page and its worker script have distcompute-client from two builds. " +
        "Deploy both from one build, or call loadWasm() in the worker script.",
    );
  });
}

export function initSync(given) {
  const source = unwrapped(given, "module");
  const module = source instanceof WebAssembly.Module ? source : new WebAssembly.Module(source);
  const exports = startSync({ module });
  keepCompiled({ module, build: BUILD });
  starting = Promise.resolve(exports);
  return exports;
}

function startWith(module) {
  starting ??= start({ module_or_path: module }).then(
    (exports) => {
      keepCompiled({ module, build: BUILD });
      return exports;
    },
    (error) => {
      starting = undefined;
      throw error;
    },
  );
  return starting;
}

/** What is given in an object, or, as in former versions of wasm-bindgen, without one. */
function unwrapped(given, name) {
  const isObject = given && Object.getPrototypeOf(given) === Object.prototype;
  return isObject ? given[name] : given;
}

async function compile(given, own) {
  const source = (await unwrapped(given, "module_or_path")) ?? (await own());
  if (source instanceof WebAssembly.Module) return source;
  if (source instanceof ArrayBuffer || ArrayBuffer.isView(source)) {
    return await WebAssembly.compile(/** @type {BufferSource} */ (source));
  }
  if (typeof Response === "function" && source instanceof Response) return await received(source);
  return await received(await fetchFrom(source));
}

async function fetchFrom(address) {
  try {
    return await fetch(address);
  } catch (error) {
    throw notLoaded(`${address?.url ?? address} could not be fetched: ${error?.message}.`, error);
  }
}

async function received(response) {
  if (!response.ok) throw notLoaded(`${response.url} answered ${response.status}.`);
  const type = response.headers.get("content-type") ?? "no type";
  if (type === "application/wasm" && WebAssembly.compileStreaming) {
    return await WebAssembly.compileStreaming(response);
  }
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (String(bytes.subarray(0, 4)) !== "0,97,115,109") {
    throw notLoaded(`${response.url} answered with something else (${type}).`);
  }
  return await WebAssembly.compile(bytes);
}

function notLoaded(what, cause) {
  const message = `The WebAssembly of distcompute-client is not where it should be: ${what}`;
  return new NotLoadedError("not_loaded", message, undefined, cause);
}
