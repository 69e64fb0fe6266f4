// The options and messages of `npm start` and `npm run build`. The end-to-end tests cover their function.

import assert from "node:assert/strict";
import { resolve } from "node:path";
import { test } from "node:test";

import { executables, readArguments as readBuild, sizesText } from "../../scripts/build.mjs";
import { listeningOn, reachableUrls, readArguments } from "../../scripts/start.mjs";
import { refuseModules, requireMode } from "../../scripts/wasm.mjs";

test("start: accepts its options and no others", () => {
  assert.deepEqual(readArguments([]), {});
  const given = ["--port", "9000", "--listen", "0.0.0.0", "--reset"];
  assert.deepEqual(readArguments(given), { port: 9000, host: "0.0.0.0", reset: true });
  assert.deepEqual(readArguments(["--help"]), { help: true });
  const crawl = readArguments(["--example", "crawl", "archives", "--reset"]);
  assert.deepEqual(crawl, { example: "crawl", archives: resolve("archives"), reset: true });
  assert.deepEqual(readArguments(["--example", "crawl", "--reset"]).archives, undefined);
  for (const wrong of [
    ["--port"],
    ["--port", "x"],
    ["--port", "70000"],
    ["--prot", "1"],
    ["x"],
    ["--example", "x"],
  ]) {
    assert.throws(() => readArguments(wrong), /Invalid option[^]*--listen HOST/);
  }
});

test("build: accepts its options and no others", () => {
  assert.deepEqual(readBuild(["--target", "nodejs"]), { target: "nodejs" });
  assert.throws(() => readBuild(["--target", "deno"]), /Invalid option: --target deno/);
});

test("the address is parsed from the tracker's first line", () => {
  assert.equal(listeningOn("listening on http://127.0.0.1:8080"), "http://127.0.0.1:8080");
  assert.equal(listeningOn("listening on http://[::1]:8080/"), "http://[::1]:8080");
  assert.equal(listeningOn("something else"), undefined);
});

test("a tracker that listens on all interfaces is shown with reachable addresses", () => {
  const interfaces = {
    lo: [{ family: "IPv4", internal: true, address: "127.0.0.1" }],
    eth0: [
      { family: "IPv4", internal: false, address: "192.0.2.7" },
      { family: "IPv6", internal: false, address: "2001:db8::7" },
    ],
  };
  assert.deepEqual(reachableUrls("http://0.0.0.0:8080", interfaces), [
    "http://127.0.0.1:8080",
    "http://192.0.2.7:8080",
  ]);
  assert.deepEqual(reachableUrls("http://127.0.0.1:8080", interfaces), ["http://127.0.0.1:8080"]);
});

test("the paths of programs are found in Cargo's messages", () => {
  const messages = [
    '{"reason":"compiler-artifact","target":{"name":"serde"},"executable":null}',
    '{"reason":"compiler-artifact","target":{"name":"poster"},"executable":"/t/serve/poster"}',
    '{"reason":"build-finished","success":true}',
    "",
  ];
  assert.deepEqual(executables(messages.join("\n")), { poster: "/t/serve/poster" });
});

test("sizes are shown in kB", () => {
  const text = sizesText({ raw: 119_000, gz: 53_210, br: 46_000 });
  assert.equal(text, "the package: 119.0 KB, 53.2 KB gzip, 46.0 KB brotli");
});

test("a wasm test file without a mode is rejected, also if a comment mentions one", () => {
  const chosen = "wasm_bindgen_test_configure!(run_in_dedicated_worker);";
  requireMode("web.rs", `use x;\n\n${chosen}\n`);
  requireMode("web.rs", "wasm_bindgen_test_configure!(run_in_browser);");
  assert.throws(() => requireMode("web.rs", `// ${chosen}\n`), /does not say where its tests run/);
  assert.throws(() => requireMode("web.rs", "#[wasm_bindgen_test] fn a() {}"), /pass over it/);
});

test("a wasm test file that imports a script of its own is rejected, but not one that loads it", () => {
  refuseModules(
    "web.rs",
    `#[wasm_bindgen(module = "/src/web/worker.js")]\nload("/tests/web/channel.js")`,
  );
  for (const wrong of [
    `#[wasm_bindgen(module = "/tests/web/x.js")]`,
    `#[wasm_bindgen(inline_js = "")]`,
  ]) {
    assert.throws(() => refuseModules("web.rs", wrong), /web\.rs imports a script/);
  }
});
