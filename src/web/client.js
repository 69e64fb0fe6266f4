// The class `Client`. What stands behind it is Rust, in client.rs, and so are its types. No rule belongs
// here.

export class Client {
  #ask;
  #facts;

  /** `ask` is the door to what stands behind it; `facts` never change. */
  constructor(ask, facts) {
    this.#ask = ask;
    this.#facts = facts;
  }

  jobCount(options) {
    return this.#ask("jobCount", options);
  }

  newJob(options) {
    return this.#ask("newJob", options);
  }

  completeJob(data, options) {
    return this.#ask("completeJob", data, options);
  }

  log(progress, options) {
    return this.#ask("log", progress, options);
  }

  isAlive(options) {
    return this.#ask("isAlive", options);
  }

  flagInvalidData(options) {
    return this.#ask("flagInvalidData", options);
  }

  bye(options) {
    return this.#ask("bye", options);
  }

  dump() {
    return this.#ask("dump");
  }

  get job() {
    return this.#ask("job");
  }

  get jobId() {
    return this.#ask("jobId");
  }

  get displayName() {
    return this.#facts.displayName;
  }

  get project() {
    return this.#facts.project;
  }

  get projectName() {
    return this.#facts.project;
  }

  get stage() {
    return this.#facts.stage;
  }

  get stageName() {
    return this.#facts.stageName;
  }

  get nickname() {
    return this.#facts.nickname;
  }

  get url() {
    return this.#facts.url;
  }

  get workerUrl() {
    return this.#facts.workerUrl;
  }

  /** Calls that run go on. */
  free() {
    this.#ask = this.#facts = undefined;
  }
}

if (Symbol.dispose) Client.prototype[Symbol.dispose] = Client.prototype.free;

export function makeClient(ask, facts) {
  return new Client(ask, facts);
}
