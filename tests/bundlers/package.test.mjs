// The published package without a bundler: its contents, its types, and other
// runtimes than browsers.

import assert from "node:assert/strict";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { npmCommand, root } from "../../scripts/places.mjs";
import { startTestTracker } from "../../scripts/servers.mjs";
import { scriptOf } from "../documents.mjs";
import { documentedScript } from "./docs.mjs";
import { makeProject, npm, runIn } from "./project.mjs";

const isAll = process.env.DISTCOMPUTE_BUNDLERS === "all";
const node = process.execPath;

let folder;
let remove;
before(async () => {
  ({ folder, remove } = await makeProject({ template: "types", target: "web" }));
});
after(() => remove());

const archive = () => readdirSync(folder).find((name) => name.endsWith(".tgz"));
const inPackage = (name) => join(folder, "node_modules", "distcompute-client", name);

test("it contains its licences, its version, and the address of its repository", () => {
  const names = readdirSync(inPackage(""));
  for (const name of ["LICENSE-APACHE", "LICENSE-MIT", "README.md"]) {
    assert.equal(readFileSync(inPackage(name), "utf8"), readFileSync(join(root, name), "utf8"));
  }
  const manifest = JSON.parse(readFileSync(inPackage("package.json"), "utf8"));
  const cargo = readFileSync(join(root, "Cargo.toml"), "utf8");
  assert.equal(manifest.version, /^version = "(.*)"$/m.exec(cargo)[1]);
  assert.match(manifest.repository.url, /^git\+https:\/\/.*\.git$/);
  assert.equal(manifest.license, "MIT OR Apache-2.0");
  assert.equal(manifest.sideEffects, false);
  for (const conditions of Object.values(manifest.exports)) {
    if (typeof conditions === "object") assert.equal(Object.keys(conditions)[0], "types");
  }
  assert.deepEqual(
    names.filter((name) => /\.(js|wasm)$/.test(name)),
    ["distcompute_client.js", "distcompute_client_bg.wasm", "index.js", "wasm.js"],
  );
});

const nodeTypes = { typeRoots: [join(root, "node_modules", "@types")], types: ["node"] };
const none = { types: [] };
const projects = {
  "a browser's types": {
    files: ["members.ts", "loader.ts", "spawn.ts", "disposable.ts"],
    options: { lib: ["esnext", "dom"], ...none },
  },
  "the language of 2022 alone": { files: ["bare.ts"], options: { lib: ["es2022"], ...none } },
  "Node's types alone": {
    files: ["members.ts", "bare.ts"],
    options: { lib: ["es2022"], ...nodeTypes },
  },
};
for (const [name, { files, options }] of Object.entries(projects)) {
  for (const [module, moduleResolution] of [
    ["esnext", "bundler"],
    ["nodenext", "nodenext"],
  ]) {
    test(`types: ${name}, ${module}`, () =>
      compiles(folder, files, { ...options, module, moduleResolution }));
  }
}

for (const target of ["bundler", "nodejs"]) {
  test(`types, package for ${target}`, async (t) => {
    const project = await makeProject({ template: "types", target });
    t.after(project.remove);
    const options = { lib: ["esnext", "dom"], types: [], module: "esnext" };
    await compiles(project.folder, ["members.ts"], { ...options, moduleResolution: "bundler" });
  });
}

/** Compiles without `skipLibCheck`, so that the package's declaration files are checked too. */
async function compiles(folder, files, options) {
  const strict = { strict: true, exactOptionalPropertyTypes: true, noEmit: true, target: "es2022" };
  const config = { compilerOptions: { ...strict, skipLibCheck: false, ...options }, files };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  await runIn(folder, node, [tsc, "--project", join(folder, "tsconfig.json")]);
}

/** Runs the loop of docs/owner.md until its tracker has no open jobs. */
async function loops(t, command) {
  const jobs = 4;
  const tracker = await startTestTracker({ project: "Runtimes", jobs });
  t.after(() => tracker.stop());
  const end = `if (error.code === "no_jobs") return console.log("no job is left");`;
  const script = documentedScript("loop.js", tracker.url, "docs/owner.md").replace(
    /if \(error\.code !==/,
    `${end}\n$&`,
  );
  writeFileSync(join(folder, "loop.mjs"), script);
  const [program, ...args] = command;
  const { stdout } = await runIn(folder, program, [...args, join(folder, "loop.mjs")]);
  assert.match(stdout, /no job is left/);
  const handedIn = await (await fetch(`${tracker.url}/api/jobCount?stage=b`)).text();
  assert.equal(Number(handedIn), jobs);
}

test("the documented loop in Node", (t) => loops(t, [node]));

test("in Node with `require`, and with the path of the file for pages without a bundler", async () => {
  const script = `
    const { default: loadWasm, init } = require("distcompute-client");
    const asked = (init) => init({ url: "" }).catch(({ code }) => code);
    (async () => {
      const early = await asked(init);
      await loadWasm();
      const other = await import("distcompute-client/distcompute_client.js");
      await other.default();
      console.log(early, await asked(init), await asked(other.init));
    })();`;
  const { stdout } = await runIn(folder, node, ["--eval", script]);
  assert.equal(stdout.trim(), "not_loaded invalid_argument invalid_argument");
});

test("a handler is tried in Node", async () => {
  const script = `
    import loadWasm, { runJob } from "distcompute-client";
    const early = await runJob(() => "x", { data: "x" }).catch(({ code }) => code);
    await loadWasm();
    const handler = ({ data }, { progress }) => {
      progress(1, 1);
      return [data.seed * 2];
    };
    const bad = () => ({ found: new Set() });
    const ran = [await runJob(handler, { data: { seed: 7 } }), await runJob(bad, { data: "x" })];
    console.log(JSON.stringify([early, ran]));`;
  const args = ["--input-type=module", "--eval", script];
  const [early, [good, bad]] = JSON.parse((await runIn(folder, node, args)).stdout);
  assert.equal(early, "not_loaded");
  const expected = {
    output: [14],
    progress: [{ done: 1, total: 1 }],
    checkpoints: [],
    files: {},
    failure: null,
  };
  assert.deepEqual(good, expected);
  assert.equal(bad.failure.kind, "failed");
  assert.match(bad.failure.message, /result\.found is a Set/);
});

/** Runs a handler of docs/recipes.md on one job, where `fetch` gives these files. */
async function recipe(name, data, files = {}, tries = "try.js") {
  writeFileSync(join(folder, "handler.js"), scriptOf("docs/recipes.md", name));
  const script = scriptOf("docs/recipes.md", tries).replace('{ text: "one job" }', data);
  const served = JSON.stringify(files);
  const fetch = `globalThis.fetch = async (url) => {
    const name = String(url).split("/").pop();
    const content = (${served})[name];
    return content ? Response.json(content) : new Response("", { status: 404 });
  };`;
  writeFileSync(join(folder, "try.mjs"), script.replace(/^await loadWasm.*$/m, `$&\n${fetch}`));
  return (await runIn(folder, node, [join(folder, "try.mjs")])).stdout.trim();
}

test("the handlers of docs/recipes.md do what they promise", async () => {
  const model = { "model.json": { a: 2, b: 1 } };
  assert.equal(await recipe("model.js", "{ x: 3 }", model), "{ y: 7 }");
  assert.match(await recipe("model.js", "{ x: 3 }"), /^Error: model\.json: 404/);
  const tables = { "fruit.json": { pear: 5 } };
  const job = '{ table: "fruit", item: "pear" }';
  assert.equal(await recipe("table.js", job, tables), "{ price: 5 }");
  const bytes = await recipe("bytes.js", "{ n: 20_000 }");
  assert.deepEqual([...Buffer.from(bytes, "base64").subarray(-2)], [30, 31]);
  assert.equal(
    await recipe("files.js", "", {}, "try-files.js"),
    "{ rows: 1000, last: '999,998001' }",
  );
});

if (isAll) {
  for (const [name, version, args] of [
    ["deno", "2.9.6", ["run", "--allow-net", "--allow-read", "--node-modules-dir=manual"]],
    ["bun", "1.4.5", ["run"]],
  ]) {
    test(`the documented loop in ${name}`, async (t) => {
      await npm(["install", "--prefer-offline", "--no-audit", `${name}@${version}`], folder);
      // The npm packages of these runtimes download the program at their installation or on first use.
      const [, cli] = npmCommand();
      await runIn(folder, node, [cli, "rebuild", name]).catch(() => undefined);
      await loops(t, [join(folder, "node_modules", ".bin", name), ...args]);
    });
  }
}
