// What goes into shell.js, which `npm run shell` makes.

export * from "./face.js";
export * from "./signals.js";
export * from "./nested.js";
export * from "./storage.js";
export * from "./limit.js";
export * from "./output.js";
export * from "./compute.js";
export * from "./work.js";
