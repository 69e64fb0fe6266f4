// What `npm run build` puts in when it bundles these files.

/** A hash of the wasm: only files of one build fit each other. */
declare const BUILD: string;

/** What wasm-bindgen has made. */
declare module "#glue" {
  const start: (source: { module_or_path: WebAssembly.Module }) => Promise<unknown>;
  export default start;
  export const initSync: (source: { module: WebAssembly.Module }) => unknown;
}

/** Scripts of src/web. */
declare module "#bindings" {
  export { NotLoadedError, keepCompiled } from "../web/bindings.js";
}

declare module "#worker" {
  export const begin: (parts: unknown, adopt: (wasm: any) => Promise<unknown>) => void;
}
