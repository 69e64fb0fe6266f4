// The reverse proxies of the operator's guide. Their configuration is used unchanged except for ports, names
// and certificates, for a tracker at the root and for one below a path that the proxy strips or keeps.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { request as plainRequest } from "node:http";
import { createServer, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { operatorEnv } from "../../scripts/operators.mjs";
import { must, serve } from "../../scripts/process.mjs";
import { testTracker } from "../../scripts/servers.mjs";
import { listeningOn } from "../../scripts/start.mjs";
import { block } from "./guide.mjs";

const folder = mkdtempSync(join(tmpdir(), "distcompute-proxies-"));
const certificate = join(folder, "cert.pem");
const key = join(folder, "key.pem");
const both = join(folder, "both.pem");

before(async () => {
  await must("openssl", [
    ...["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key],
    ...["-out", certificate, "-subj", "/CN=localhost"],
  ]);
  await must("sh", ["-c", `cat ${certificate} ${key} > ${both}`]);
  const www = join(folder, "www");
  mkdirSync(join(www, "deep"), { recursive: true });
  const page = `<!doctype html><script src="script.js"></script>${"<p>text".repeat(500)}`;
  writeFileSync(join(www, "index.html"), page);
  writeFileSync(join(www, "deep", "index.html"), page);
  writeFileSync(join(www, "script.js"), "export {};\n".repeat(500));
});

after(() => rmSync(folder, { recursive: true, force: true }));

/** Resolves to a free port. */
function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Waits until the proxy listens. Rejects with its output if it exits. */
async function listening(port, proxy, output) {
  let ended = false;
  proxy.then(() => (ended = true));
  for (;;) {
    assert.ok(!ended, `the proxy has ended: ${output()}`);
    const open = await new Promise((resolve) => {
      const socket = connect(port, "127.0.0.1");
      socket.once("connect", () => (socket.destroy(), resolve(true)));
      socket.once("error", () => resolve(false));
    });
    if (open) return;
    await new Promise((wake) => setTimeout(wake, 50));
  }
}

async function startTracker(base) {
  const database = `sqlite:${join(mkdtempSync(join(folder, "tracker-")), "jobs.db")}`;
  const program = await testTracker();
  await must(program, ["import", "--database", database, "--brace", "job {1..5}"]);
  const args = [
    ...["serve", "--listen", "127.0.0.1:0", "--database", database, "--project", "Proxied"],
    ...["--stage", "a=GPU farm", "--files", `/volunteer=${join(folder, "www")}`],
    ...["--volunteer-page", "/volunteer/", "--preview", "/volunteer/deep/", "--base-path", base],
  ];
  const server = await serve(program, args, { ready: listeningOn });
  return { address: new URL(server.found).host, stop: server.stop };
}

/** Replaces the addresses and certificates in a configuration by those of the test. */
function adapted(text, tracker, port) {
  return text
    .replaceAll("127.0.0.1:8080", tracker)
    .replaceAll("listen 443 ssl", `listen 127.0.0.1:${port} ssl`)
    .replaceAll("bind :443", `bind 127.0.0.1:${port}`)
    .replaceAll("/etc/ssl/tracker/cert.pem", certificate)
    .replaceAll("/etc/ssl/tracker/key.pem", key)
    .replaceAll(/\/etc\/haproxy\/\w+\.pem/g, both);
}

/** Completes a part of nginx's configuration, such that it runs without root. */
function wholeNginx(http, own) {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  const paths = temporary.map((name) => `${name}_temp_path ${join(own, name)};`).join("\n");
  return `pid ${join(own, "pid")}; error_log stderr; daemon off; master_process off;
    events { worker_connections 256; }
    http { access_log off; include /etc/nginx/mime.types;\n${paths}\n${http} }`;
}

const proxies = {
  nginx: {
    root: () => block("nginx", "upstream tracker"),
    stripped: () => block("nginx", "location /tracker/"),
    unstripped: (text) => text.replace("http://127.0.0.1:8080/;", "http://127.0.0.1:8080;"),
    start: (text, port, own) => {
      const isWhole = text.includes("server {");
      const server = `server { listen 127.0.0.1:${port} ssl;
        ssl_certificate ${certificate}; ssl_certificate_key ${key}; ${text} }`;
      const file = join(own, "nginx.conf");
      writeFileSync(file, wholeNginx(isWhole ? text : server, own));
      return ["nginx", ["-c", file, "-p", own]];
    },
  },
  caddy: {
    root: () => block("caddyfile", "tracker.example.org {"),
    stripped: () => block("caddyfile", "handle_path"),
    unstripped: (text) =>
      text.replace("handle_path", "handle").replace("path /metrics", "path /tracker/metrics"),
    start: (text, port, own) => {
      const site = text.replace(
        /^(tracker\.)?example\.org \{/m,
        `https://localhost:${port} {\n\tbind 127.0.0.1\n\ttls ${certificate} ${key}`,
      );
      const file = join(own, "Caddyfile");
      writeFileSync(file, `{\n\tadmin off\n\tauto_https off\n}\n${site}`);
      return ["caddy", ["run", "--config", file, "--adapter", "caddyfile"]];
    },
  },
  haproxy: {
    root: () => block("haproxy", "frontend tracker"),
    stripped: () => defaultsOfHaproxy() + block("haproxy", "frontend site"),
    unstripped: (text) => text.replace(/.*replace-path.*\n/, ""),
    start: (text, port, own) => {
      const file = join(own, "haproxy.cfg");
      writeFileSync(file, text);
      return ["haproxy", ["-f", file, "-db"]];
    },
  },
};

/** The part of HAProxy's configuration that both blocks of the guide share. */
function defaultsOfHaproxy() {
  return block("haproxy", "frontend tracker").split("frontend")[0];
}

/**
 * @returns {Promise<{ status: number, headers: object, bytes: Buffer, text: string }>}
 */
function ask(url, { method = "GET", headers = {}, body } = {}) {
  const { protocol } = new URL(url);
  return new Promise((resolve, reject) => {
    const make = protocol === "https:" ? request : plainRequest;
    const asked = make(url, { method, headers, family: 4, rejectUnauthorized: false }, (answer) => {
      const parts = [];
      answer.on("data", (part) => parts.push(part));
      answer.on("error", reject);
      answer.on("end", () => {
        const bytes = Buffer.concat(parts);
        const { statusCode: status, headers } = answer;
        resolve({ status, headers, bytes, text: bytes.toString() });
      });
    });
    asked.on("error", reject);
    asked.end(body);
  });
}

const post = (url, body) =>
  ask(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });

/** The resolved URLs of a page's links. */
function links(page, at) {
  const found = [...page.matchAll(/(?:href|src)="([^"#]+)/g)].map(([, link]) => link);
  return [...new Set(found.map((link) => new URL(link.replaceAll("&amp;", "&"), at).href))];
}

/** Asserts that pages and calls work below the tracker's address `base`. */
async function works(base) {
  const worker = JSON.parse((await ask(`${base}api/new?nickname=Ann&stage=a`)).text);
  const pages = ["", "leaderboard", `worker/gpu%20farm/${worker.display_name}`, "no/such/page"];
  for (const page of pages) {
    const at = base + page;
    const answer = await ask(at, { headers: { accept: "text/html" } });
    assert.equal(answer.status, page.startsWith("no/") ? 404 : 200, at);
    const linked = links(answer.text, at);
    assert.ok(linked.length >= 4, `${at} links to ${linked}`);
    for (const link of linked) {
      assert.ok(link.startsWith(base), `${at} leads out to ${link}`);
      assert.equal((await ask(link)).status, 200, `${at} links to ${link}`);
    }
  }
  // Folders without a trailing slash, as people type them.
  for (const path of ["volunteer", "volunteer/deep"]) {
    const answer = await ask(base + path);
    assert.equal(answer.status, 307, path);
    const target = new URL(answer.headers.location, base + path).href;
    assert.equal(target, `${base}${path}/`);
    assert.equal((await ask(target)).status, 200, target);
  }
  const tag = (await ask(base)).headers.etag;
  assert.equal((await ask(base, { headers: { "if-none-match": tag } })).status, 304);
  const compressed = await ask(`${base}volunteer/script.js`, {
    headers: { "accept-encoding": "gzip, br" },
  });
  assert.equal(compressed.headers["content-encoding"], "br");
  assert.ok(compressed.bytes.length < 500);

  // A volunteer's calls, with a result above the default limits of proxies.
  const job = JSON.parse((await post(`${base}api/newJob`, { token: worker.token })).text);
  assert.match(job.data, /^job/);
  const data = "x".repeat(15 << 20);
  const done = await post(`${base}api/completeJob`, { token: worker.token, data });
  assert.equal(done.status, 200, done.text.slice(0, 200));
  const refused = await post(`${base}api/bye`, { token: "unknown" });
  assert.equal(refused.headers["distcompute-error"], "worker_unknown");
  const status = JSON.parse((await ask(`${base}api/status`)).text);
  assert.equal(status.stages[0].done, 1);
  assert.equal((await ask(`${base}metrics`)).status, 404, "the world sees no metrics");
}

for (const [name, proxy] of Object.entries(proxies)) {
  const ways = {
    "with a host of its own": { path: "/", base: "", text: proxy.root },
    "behind a path that is stripped": { path: "/tracker/", base: "", text: proxy.stripped },
    "behind a path that is left": {
      path: "/tracker/",
      base: "/tracker",
      text: () => proxy.unstripped(proxy.stripped()),
    },
  };
  for (const [way, { path, base, text }] of Object.entries(ways)) {
    test(`${name} as in the guide, ${way}`, async () => {
      const tracker = await startTracker(base);
      const port = await freePort();
      const own = mkdtempSync(join(folder, "proxy-"));
      const [program, args] = proxy.start(adapted(text(), tracker.address, port), port, own);
      const output = [];
      let pid = 0;
      const running = must(program, args, {
        env: { ...operatorEnv(), HOME: own },
        onStart: (started) => (pid = started),
        onLine: (line) => output.push(line),
      }).catch((error) => output.push(error.message));
      try {
        await listening(port, running, () => output.join("\n"));
        const url = `https://localhost:${port}${path}`;
        if (path !== "/") {
          const bare = await ask(url.slice(0, -1));
          assert.ok([302, 307].includes(bare.status), `${bare.status}`);
          assert.equal(new URL(bare.headers.location, url).href, url);
        }
        await works(url);
      } finally {
        process.kill(pid, "SIGKILL");
        await running;
        await tracker.stop();
      }
    });
  }
}
