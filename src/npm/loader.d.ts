/** WebAssembly as `loadWasm` takes it: an address, an answer of `fetch`, its bytes, or compiled. */
export type WasmSource =
  | string
  | ArrayBufferLike
  | ArrayBufferView
  | Global<"URL", never>
  | Global<"Request", never>
  | Global<"Response", never>
  | WasmModule;

/** A `WebAssembly.Module`. */
export type WasmModule = typeof globalThis extends {
  WebAssembly: { Module: { prototype: infer Module } };
}
  ? Module
  : object;

/**
 * Loads the WebAssembly, once however often it is called. `init`, `load` and `Volunteer` need it.
 *
 * Without an argument it knows where to find it. Rejects where it cannot be loaded, and can then be
 * called again.
 */
export default function loadWasm(
  source?: { module_or_path: WasmSource | PromiseLike<WasmSource> } | undefined,
): Promise<unknown>;

/** Instantiates bytes or a compiled module while the caller waits, which suits workers. */
export function initSync(source: {
  module: ArrayBufferLike | ArrayBufferView | WasmModule;
}): unknown;
