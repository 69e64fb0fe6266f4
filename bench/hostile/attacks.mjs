// The attacks. Each one is a step that is repeated in a number of concurrent lanes. They accept any answer,
// because the same traffic also goes to a sink, which returns neither tokens nor leases.

import { connect } from "node:net";

import { head, jsonOf } from "./http.mjs";

/** Just below `max_body`. */
const large = 16_000_000;

/** The maximum number of cores that a tracker accepts, which permits the most leases. */
const cores = 128;

/** Placeholders for leases in requests to a sink, as many as a tracker grants. */
const placeholders = Array.from({ length: cores }, (_, at) => `${"x".repeat(40)}${at}`);

const stale = 64;

/** The last page of a leaderboard with a million nicknames. */
const deepest = 20_000;

const slowByteMs = 20_000;

/**
 * @typedef {{ ask: (path: string, more?: { body?: any, headers?: any }) => Promise<any>,
 *   from: () => string, url: string, note: (name: string, count: number) => void,
 *   over: Promise<void> }} Cx `note` adds to a counter of the report, `over` resolves when the attack
 *   ends
 * @typedef {{ about: string, lanes: number,
 *   prepare?: (cx: Cx, lanes: number) => Promise<any>,
 *   step: (cx: Cx, prepared: any, at: { lane: number, count: number }) => Promise<any> }} Attack
 */

/** @type {Record<string, Attack>} */
export const attacks = {
  u0000: {
    about: "a token with U+0000 in `sync`, and `/worker/a/%00`",
    lanes: 16,
    step: (cx, _, { count }) =>
      count % 2
        ? cx.ask("/worker/a/%00")
        : cx.ask("/api/sync", { body: { token: "\0", seq: 1, want: 1 } }),
  },
  bodies: {
    about: "`sync` with 16 MB of objects in an unknown field, four at once",
    lanes: 4,
    prepare: async () => [filled('{"token":"x","seq":1,"z":[', '{"":0},', '{"":0}]}')],
    step: (cx, body) => cx.ask("/api/sync", { body }),
  },
  hoard: {
    about: "takes as many jobs as it gets, gives all back, hands junk in by the old leases",
    lanes: 8,
    prepare: async (cx, lanes) => repeated(lanes, () => registered(cx)),
    step: async (cx, workers, { lane }) => {
      const worker = workers[lane];
      const taken = await sync(cx, worker, { want: 512, cores });
      const released = taken ? taken.jobs.map(({ lease }) => lease) : placeholders;
      const done = (worker.old ?? []).map((lease) => ({ lease, data: "junk" }));
      const answer = await sync(cx, worker, { released, done });
      cx.note("junk_accepted", answer?.accepted.length ?? 0);
      cx.note("granted", taken?.jobs.length ?? 0);
      worker.old = [...released, ...(worker.old ?? [])].slice(0, stale);
    },
  },
  unread: {
    about: "300 times `GET /api/results?limit=10000` that nobody reads",
    lanes: 300,
    step: (cx) => unread(cx, head({ path: "/api/results?stage=a&limit=10000", from: cx.from() })),
  },
  repeats: {
    about: "150 repeats of a `sync` with a large answer, which nobody reads",
    lanes: 150,
    prepare: async (cx) => {
      const { token } = await registered(cx, "b");
      const body = { token, seq: 1, want: 512, cores };
      const first = await cx.ask("/api/sync", { body });
      cx.note("answer_bytes", first.body.length);
      return JSON.stringify(body);
    },
    step: (cx, body) =>
      unread(cx, head({ path: "/api/sync", from: cx.from(), length: body.length }) + body),
  },
  slow: {
    about: "100 bodies of 16 MB, of which the end comes a byte each 20 s",
    lanes: 100,
    prepare: async () => Buffer.alloc(large - 1_000, `{"token":"x","data":"${"x".repeat(1_000)}`),
    step: async (cx, begin, { count }) => {
      const path = count % 2 ? "/api/sync" : "/api/completeJob";
      const socket = opened(cx, head({ path, from: cx.from(), length: large }));
      socket.write(begin);
      socket.resume();
      const timer = setInterval(() => socket.write("x"), slowByteMs);
      await closed(socket);
      clearInterval(timer);
    },
  },
  completions: {
    about: "90 results of 15 MB at once",
    lanes: 90,
    prepare: async (cx, lanes) => ({
      workers: await repeated(lanes, () => registered(cx)),
      data: Buffer.from(`${"x".repeat(15_000_000)}"}`),
    }),
    step: async (cx, { workers, data }, { lane }) => {
      const { token } = workers[lane];
      await cx.ask("/api/newJob", { body: { token } });
      const begin = Buffer.from(`{"token":${JSON.stringify(token)},"data":"`);
      const { status } = await cx.ask("/api/completeJob", { body: [begin, data] });
      cx.note("completed", status === 200 ? 1 : 0);
    },
  },
  registrations: {
    about: "registers under one name after the other",
    lanes: 16,
    step: (cx, _, { count }) => cx.ask(`/api/new?stage=a&nickname=stranger-${count}`),
  },
  churn: {
    about: "`sync` that names no lease, so that all are given back, and takes others",
    lanes: 8,
    prepare: async (cx, lanes) => repeated(lanes, () => registered(cx)),
    step: async (cx, workers, { lane }) => {
      const answer = await sync(cx, workers[lane], { want: 512, cores });
      cx.note("granted", answer?.jobs.length ?? 0);
    },
  },
  pages: {
    about:
      "pages of the leaderboard far down, by link, by number and by search, none twice in a row",
    lanes: 16,
    step: (cx, _, { count }) => {
      const name = `name-${1 + ((count * 7_919) % 1_000_000)}`;
      const asks = [`page=from-1.${name}`, `page=${deepest - (count % 1_000)}`, `name=${name}`];
      return cx.ask(`/leaderboard?${asks[count % asks.length]}`);
    },
  },
  downloads: {
    about: "the files of the client that the tracker serves",
    lanes: 16,
    prepare: async (cx) => {
      const index = await cx.ask("/client/");
      // The sink lists no files, and gets the same requests as the tracker.
      const listed = index.body.toString().match(/^\S+\/\S+\.(?:js|wasm)$/gm);
      if (!listed && index.body.length > 0) throw new Error(`no client there: ${index.body}`);
      return listed ?? ["version/distcompute_client_bg.wasm", "version/distcompute_client.js"];
    },
    step: (cx, files, { count }) => {
      const headers = { "accept-encoding": "br" };
      return cx.ask(`/client/${files[count % files.length]}`, { headers });
    },
  },
};

async function registered(cx, stage = "a") {
  const answer = jsonOf(await cx.ask(`/api/new?stage=${stage}&nickname=stranger`));
  return { token: answer?.token ?? "x".repeat(40), seq: 0 };
}

async function sync(cx, worker, fields) {
  worker.seq += 1;
  const { token, seq } = worker;
  return jsonOf(await cx.ask("/api/sync", { body: { token, seq, ...fields } }));
}

async function repeated(count, work) {
  const made = [];
  while (made.length < count) made.push(await work());
  return made;
}

/** A body of almost `max_body` that repeats one item. */
function filled(begin, item, end) {
  const count = Math.floor((large - begin.length - end.length) / item.length);
  return Buffer.from(begin + item.repeat(count) + end);
}

/** Sends a request and does not read the answer until the server closes the connection or the attack ends. */
function unread(cx, request) {
  const socket = opened(cx, request);
  socket.pause();
  return closed(socket);
}

function opened(cx, request) {
  const { hostname, port } = new URL(cx.url);
  const socket = connect(Number(port), hostname);
  socket.write(request);
  cx.over.then(() => socket.destroy());
  return socket;
}

function closed(socket) {
  return new Promise((resolve) => {
    // Refused and reset connections emit `close` too.
    socket.on("error", () => {});
    socket.once("close", resolve);
  });
}
