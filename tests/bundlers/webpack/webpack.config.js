// The package for bundlers imports its wasm as a module, which webpack knows as an experiment;
// the published package needs nothing of it.
export default {
  mode: "production",
  entry: "./main.js",
  experiments: { asyncWebAssembly: true },
};
