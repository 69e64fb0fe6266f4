// A TCP proxy that simulates a connection: a bandwidth for each direction, shared by all connections, a
// delay, and packet loss. It works without netem, which machines may lack. A lost packet is simulated by its
// effect on TCP: the connection stalls for a while, and then continues.

import { connect, createServer } from "node:net";

/** The payload of a packet, in bytes. */
export const packet = 1_448;

/** The minimum and the maximum duration of a stall for a lost packet, in milliseconds. */
export const stallMs = [200, 1_000];

/** The interval at which data is forwarded, in milliseconds. */
const tickMs = 5;

/** How much of one connection is forwarded before it is another one's turn, if no packet is lost, in milliseconds. */
const turnMs = 0.5;

/** The maximum number of buffered bytes per connection, above which it stops reading from the sender. */
const mostWaiting = 256 * 1_024;

/** A seeded random number generator, so that all measurements of a connection have the same losses. */
export function dice(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** One direction. */
class Lane {
  #flows = new Set();
  #next = 0;
  #allowance = 0;
  #last = performance.now();
  #timer;
  bytes = 0;

  constructor({ bytesPerMs, delayMs, loss, seed }) {
    Object.assign(this, { bytesPerMs, delayMs, loss, random: dice(seed) });
    // Packet by packet, a fast line would be busy with nothing else.
    const turn = loss > 0 ? packet : Math.max(packet, Math.round(turnMs * bytesPerMs));
    this.turn = bytesPerMs === Infinity ? Infinity : turn;
    this.#timer = setInterval(() => this.#tick(), tickMs);
  }

  stop() {
    clearInterval(this.#timer);
  }

  /** Forwards data from one socket to another. */
  join(from, to) {
    const flow = { from, to, parts: [], waiting: 0, blockedUntil: 0, ended: false };
    this.#flows.add(flow);
    from.on("data", (chunk) => {
      flow.parts.push(chunk);
      flow.waiting += chunk.length;
      if (flow.waiting > mostWaiting) from.pause();
      if (this.bytesPerMs === Infinity) this.#tick();
    });
    from.on("end", () => (flow.ended = true));
    const leave = () => this.#flows.delete(flow);
    from.on("close", () => flow.waiting === 0 && flow.ended === false && leave());
    to.on("close", leave);
  }

  #tick() {
    const now = performance.now();
    const passed = now - this.#last;
    // Unused allowance expires, except for that of a late tick, so that the bandwidth is right on a busy
    // machine too.
    const most = Math.max(packet, this.bytesPerMs * Math.max(50, passed));
    this.#allowance = Math.min(this.#allowance + passed * this.bytesPerMs, most);
    if (this.bytesPerMs === Infinity) this.#allowance = Infinity;
    this.#last = now;
    const flows = [...this.#flows];
    const sent = new Map();
    let idle = 0;
    while (this.#allowance > 0 && flows.length > 0 && idle < flows.length) {
      const flow = flows[this.#next++ % flows.length];
      if (flow.waiting === 0 || now < flow.blockedUntil) {
        idle += 1;
        continue;
      }
      idle = 0;
      if (this.loss > 0 && this.random() < this.loss) {
        const [least, most] = stallMs;
        flow.blockedUntil = now + least + (most - least) * this.random();
        continue;
      }
      const part = take(flow, this.turn);
      this.#allowance -= part.length;
      this.bytes += part.length;
      const parts = sent.get(flow);
      if (parts) parts.push(part);
      else sent.set(flow, [part]);
    }
    for (const [flow, parts] of sent) {
      this.#later(() => flow.to.write(parts.length === 1 ? parts[0] : Buffer.concat(parts)));
      if (flow.waiting <= mostWaiting / 2) flow.from.resume();
    }
    for (const flow of flows) {
      if (!flow.ended || flow.waiting > 0) continue;
      this.#flows.delete(flow);
      this.#later(() => flow.to.end());
    }
  }

  #later(act) {
    if (this.delayMs > 0) setTimeout(act, this.delayMs);
    else act();
  }
}

function take(flow, most) {
  const [first] = flow.parts;
  const part = first.length <= most ? flow.parts.shift() : first.subarray(0, most);
  if (part !== first) flow.parts[0] = first.subarray(most);
  flow.waiting -= part.length;
  return part;
}

/**
 * @param {{ url: string, mbit?: number, delayMs?: number, loss?: number, seed?: number }} wanted
 *   `delayMs` is that of a round trip, `loss` a share of packets
 */
export async function startLine({ url, mbit = Infinity, delayMs = 0, loss = 0, seed = 1 }) {
  const { hostname: host, port } = new URL(url);
  const bytesPerMs = (mbit * 1e6) / 8 / 1_000;
  const lane = (salt) => new Lane({ bytesPerMs, delayMs: delayMs / 2, loss, seed: seed + salt });
  const [up, down] = [lane(0), lane(1_000)];
  const open = new Set();
  const server = createServer({ noDelay: true }, (volunteer) => {
    const tracker = connect({ host, port: Number(port), noDelay: true });
    up.join(volunteer, tracker);
    down.join(tracker, volunteer);
    for (const [one, other] of [
      [volunteer, tracker],
      [tracker, volunteer],
    ]) {
      open.add(one);
      // Browsers reset connections when a page is closed.
      one.on("error", () => other.destroy());
      one.on("close", () => open.delete(one));
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const stop = async () => {
    server.close();
    for (const socket of open) socket.destroy();
    up.stop();
    down.stop();
  };
  return { url: `http://127.0.0.1:${server.address().port}`, up, down, stop };
}
