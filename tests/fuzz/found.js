// What was found and mended, case by case, as simple as it was made.

import { storage } from "./world.js";

/** By what was wrong. Each throws where it is so again. */
export const found = {
  async "a status that holds itself, or what cannot be frozen, broke the page"(
    one,
    { makers, status },
  ) {
    const channels = [];
    window.BroadcastChannel = class extends EventTarget {
      constructor() {
        channels.push(super());
      }
      postMessage() {}
      close() {}
    };
    const volunteer = await makers.Volunteer(one);
    const odd = { ...status, cores: new Uint8Array(3) };
    odd.self = odd;
    const message = new MessageEvent("message", { data: { t: "status", status: odd } });
    channels[0].dispatchEvent(message);
    one.require(volunteer.status.state === "elsewhere", volunteer.status.state);
    one.require(Object.isFrozen(volunteer.status), "it is not frozen");
    volunteer.free();
  },

  async "an error had a code that the types did not name"(one, { options }) {
    const headers = { "distcompute-error": "superseded" };
    window.fetch = async () => new Response("no", { status: 500, headers });
    one.judge(await one.world.outcome(() => one.module.init(options), 60_000), "init");
  },

  async "a setup that is no function was taken and failed in each worker"(one, { worker }) {
    for (const setup of [0, "", false]) {
      const parts = { setup, handler: () => 1 };
      const outcome = await one.world.outcome(() => worker(one, parts), 1_000);
      one.require(outcome.thrown?.code === "invalid_argument", `${typeof setup} was taken`);
    }
  },

  async "a core without a way to it broke the hub"(one, { hubSetup, worker, Port }) {
    window.MessagePort = Port;
    const { told, tell } = worker(one, () => 1);
    tell({ dc: 1, t: "hub", setup: hubSetup });
    await one.world.really(() => told.status);
    for (const port of [[], 7, undefined]) tell({ dc: 1, t: "core", core: 0, port });
    tell({ dc: 1, t: "core", core: 2 ** 32 - 1, port: new Port() });
    one.require(told.status.cores.length < 2, "it counts what is no core");
  },

  async "what is no number came into the status"(one, { hubSetup, worker, Port }) {
    window.MessagePort = Port;
    const { told, tell } = worker(one, () => 1);
    tell({ dc: 1, t: "hub", setup: hubSetup });
    await one.world.really(() => told.status);
    const port = new Port();
    tell({ dc: 1, t: "core", core: 0, port });
    for (const ms of [NaN, -1, Infinity]) {
      port.says({ t: "report", results: [{ key: 1, kind: "done", data: "x", ms }] });
      await one.world.pass(1_000);
    }
  },

  async "what a hub says that is no message ended a compute worker"(one, { worker, Port }) {
    const { tell } = worker(one, () => "x");
    const port = new Port();
    tell({ dc: 1, t: "compute", core: 0, port });
    await one.world.really(() => port.said.some(({ t }) => t === "up"));
    for (const odd of [null, undefined, 7]) port.says(odd);
    const odd = { key: 7, data: "x" };
    for (const jobs of [null, [null], [odd]]) port.says({ t: "jobs", jobs });
    port.says({ t: "intensity", intensity: 10n });
    port.says({ t: "intensity", intensity: 10 });
    port.says({ t: "signals", slots: [null, 7] });
    const job = { key: 1, number: 1, attempt: 1, stage: "a", stageName: "CPU", data: "x" };
    port.says({ t: "jobs", project: "", jobs: [job] });
    await one.world.pass(1_000);
    const results = port.said.flatMap(({ results }) => results ?? []);
    one.require(results.at(-1)?.key === 1, "it does not work any more");
  },

  async "a checkpoint that no storage takes kept all else from being stored"() {
    const { write, read, forget } = await storage();
    const bytes = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]);
    const site = "http://t.example/found";
    await write(site, [
      ["job 1", { state: new WebAssembly.Module(bytes) }],
      ["outcome 2", { said: "kept" }],
    ]);
    const kept = await read(site);
    await forget(site, site);
    if (kept.at(-1)?.said !== "kept") throw new Error(`there is only ${JSON.stringify(kept)}`);
  },
};
