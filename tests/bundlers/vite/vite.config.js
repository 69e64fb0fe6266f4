// A worker that is an ES module, as browsers have them; Vite's default would be one old script.
export default { worker: { format: "es" } };
