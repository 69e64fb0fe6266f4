// A browser as far as a tracker and a store can see it: it registers, syncs, fetches the file of a job, uploads
// another one in parts, and hands a result in that names it. It repeats whatever is not answered, and computes
// nothing: what a file contains follows from the stage and the number in the job.

import { createCipheriv, createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

const mark = "<!json!>";

/** The contents of a file: the same for the same seed. */
export function bytesOf(seed, size) {
  const key = createHash("sha256").update(seed).digest().subarray(0, 16);
  return createCipheriv("aes-128-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(size));
}

export const nameOf = (bytes) => `sha256-${createHash("sha256").update(bytes).digest("hex")}`;

/** The seed of the file that a stage gets, and of the one that it makes. */
export const seeds = {
  a: (number) => ({ given: `input ${number}`, made: `a ${number}` }),
  b: (number) => ({ given: `a ${number}`, made: `b ${number}` }),
};

/** How long a call may take before it is repeated, in milliseconds, and the slowest transfer that is waited for, in
 * bytes a millisecond: as the client does. Many transfers at a time that were given up too early would never end. */
const callMs = 60_000;
const slowest = 8;

/** The waits before a call is repeated, in milliseconds. They double, and are random within. */
const pause = { first: 200, most: 4_000 };

/** What all volunteers of a run have seen. */
export class Report {
  /** The accepted results by stage and number: the volunteer, and the text. */
  accepted = { a: new Map(), b: new Map() };
  /** What must not happen. */
  faults = [];
  rejected = [];
  repeated = 0;
  bytes = { down: 0, up: 0 };

  constructor(jobs) {
    this.jobs = jobs;
  }

  get count() {
    return this.accepted.a.size + this.accepted.b.size;
  }

  isDone(stage) {
    return this.accepted[stage].size === this.jobs;
  }

  accept(stage, { number, data, by }) {
    const known = this.accepted[stage].get(number);
    if (known) this.faults.push(`Job ${number} of ${stage} was taken of ${known.by} and of ${by}.`);
    this.accepted[stage].set(number, { data, by });
  }
}

export class Volunteer {
  #token = "";

  /**
   * @param {{ url: string, name: string, address: string, report: Report, sizeOf: (number: number) => number,
   *   signal: AbortSignal }} wanted `address` is what a proxy says of it; `sizeOf` the bytes of the files of a job;
   *   `signal` ends it
   */
  constructor(wanted) {
    Object.assign(this, wanted);
  }

  /** Works at each stage until all of its jobs are done. */
  async work(stages) {
    for (const stage of stages) await this.#workAt(stage);
  }

  /** Takes a job, uploads a file that no result names and a part of another one, and gives the job back. */
  async leave(stage) {
    await this.#register(stage);
    const [{ lease }] = (await this.#sync({ seq: 1, want: 1 })).jobs;
    const size = this.sizeOf(1);
    const file = await this.#put(lease, bytesOf(`nobody's ${this.name}`, size));
    const { parts } = await this.#call("uploads", { lease, bytes: size });
    await this.#send(parts[0], bytesOf("half", size));
    await this.#sync({ seq: 2, released: [lease] });
    return file.$file;
  }

  async #workAt(stage) {
    await this.#register(stage);
    let seq = 0;
    let done = [];
    for (;;) {
      const results = done.map(({ lease, data }) => ({ lease, data }));
      const said = await this.#sync({ seq: ++seq, done: results, want: 1, cores: 1 });
      if (!said) {
        // The tracker has forgotten this worker, and not the lease.
        await this.#register(stage);
        seq = 0;
        continue;
      }
      for (const result of done) {
        if (said.accepted.includes(result.lease)) this.report.accept(stage, result);
        else this.report.rejected.push(...said.rejected);
      }
      done = [];
      const [job] = said.jobs;
      const result = job && (await this.#compute(stage, job));
      if (result) done.push(result);
      else if (this.report.isDone(stage)) return;
      else await sleep(200 + 800 * Math.random(), undefined, { signal: this.signal });
    }
  }

  async #compute(stage, { number, data, lease }) {
    const input = JSON.parse(data.slice(mark.length));
    const { given, made } = seeds[stage](input.n);
    const size = this.sizeOf(input.n);
    const wanted = nameOf(bytesOf(given, size));
    if (input.file.$file !== wanted)
      this.report.faults.push(`Job ${number} of ${stage} names another file.`);
    await this.#fetch(input.file);
    const file = await this.#put(lease, bytesOf(made, size));
    if (!file) return undefined;
    const output = { n: input.n, file, by: this.name };
    return { number, lease, by: this.name, data: mark + JSON.stringify(output) };
  }

  async #fetch({ $file, bytes, url }) {
    const { status, body } = await this.#ask(new URL(url, `${this.url}/`), {}, bytes);
    if (status !== 200) throw new Error(`${$file} was answered ${status}.`);
    if (body.length !== bytes || nameOf(body) !== $file)
      this.report.faults.push(`${$file} has other bytes.`);
    this.report.bytes.down += body.length;
  }

  /** Resolves to the reference to the file, or to nothing if the lease has ended. */
  async #put(lease, bytes) {
    for (;;) {
      const begun = await this.#call("uploads", { lease, bytes: bytes.length });
      if (!begun.upload) return this.#lost(begun);
      const { upload, part_bytes } = begun;
      const send = async (parts) => {
        for (const { number, ...part } of parts) {
          const from = number * part_bytes;
          await this.#send(part, bytes.subarray(from, from + part_bytes));
        }
      };
      await send(begun.parts);
      for (;;) {
        const sha256 = nameOf(bytes).slice("sha256-".length);
        const ended = await this.#call("uploads/finish", { lease, upload, sha256 });
        if (ended.file) {
          this.report.bytes.up += bytes.length;
          return ended.file;
        }
        if (ended.code === "upload_incomplete") {
          const { parts } = await this.#call("uploads/parts", { lease, upload, from: 0 });
          await send(parts ?? []);
        } else if (ended.code === "upload_expired") break;
        else if (ended.status !== 202) return this.#lost(ended);
      }
    }
  }

  #lost({ status, code }) {
    if (code === "file_not_granted" || code === "worker_unknown") return undefined;
    throw new Error(`An upload was answered ${status} ${code}.`);
  }

  /** Sends a part. If its address is not taken any more, the tracker will say that the part is missing. */
  async #send({ url, headers }, body) {
    await this.#ask(new URL(url, `${this.url}/`), { method: "PUT", headers, body }, body.length);
  }

  async #register(stage) {
    const query = new URLSearchParams({ nickname: this.name, stage });
    const answer = await this.#ask(`${this.url}/api/new?${query}`, {});
    if (answer.status !== 200) throw new Error(`A registration was answered ${answer.status}.`);
    this.#token = JSON.parse(answer.body).token;
  }

  async #sync(body) {
    const said = await this.#call("sync", body);
    if (said.code === "worker_unknown") return undefined;
    if (said.status !== 200) throw new Error(`A sync was answered ${said.status} ${said.code}.`);
    return said;
  }

  /** Makes a call with the token, and resolves to what is said: with the status, and the code of an error. */
  async #call(path, body) {
    const {
      status,
      code,
      body: text,
    } = await this.#ask(`${this.url}/api/${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ token: this.#token, ...body }),
    });
    return status === 200 ? { status, ...JSON.parse(text) } : { status, code };
  }

  /** Sends a request until it is answered by somebody who can. `bytes` is what is transferred with it. */
  async #ask(url, { headers = {}, ...init }, bytes = 0) {
    const limitMs = Math.round(callMs + bytes / slowest);
    const from = String(url).startsWith(this.url) ? { "x-forwarded-for": this.address } : {};
    for (let failures = 0; ; failures++) {
      let wait = Math.min(pause.first * 2 ** failures, pause.most) * (0.5 + Math.random() / 2);
      try {
        const signal = AbortSignal.any([this.signal, AbortSignal.timeout(limitMs)]);
        const answer = await fetch(url, { ...init, headers: { ...headers, ...from }, signal });
        const { status } = answer;
        const body = Buffer.from(await answer.arrayBuffer());
        const after = Number(answer.headers.get("retry-after") ?? 0);
        if (status === 202) await sleep(1_000 * after, undefined, { signal: this.signal });
        if (status < 500 && status !== 429)
          return { status, code: answer.headers.get("distcompute-error"), body };
        wait = Math.max(wait, 1_000 * after);
      } catch {
        // Not reached, or broken off.
        this.signal.throwIfAborted();
      }
      this.report.repeated += 1;
      await sleep(wait, undefined, { signal: this.signal });
    }
  }
}
