// Workers that speak the messages of the engine and do nothing else, for the tests of `Volunteer`.

const script = `
  const say = (message) => postMessage({ dc: 1, ...message });
  onmessage = ({ data }) => {
    if (data.dc !== 1) {
      if (data.error) throw new Error(data.error);
      for (const message of data.say) say(message);
      return;
    }
    const { port, ...heard } = data;
    postMessage({ heard: { ...heard, hasPort: port instanceof MessagePort } });
    if (data.t === "core")
      port.onmessage = (event) => postMessage({ heard: { t: "port", core: data.core, ...event.data } });
    if (data.t === "compute") port.postMessage({ said: "up" });
    if (data.t === "ping") say({ t: "status", status: {} });
    if (data.t === "stop") say({ t: "stopped" });
  };
  say({ t: "ready" });
`;
const address = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));

/** How long anything may take that a test waits for. */
const patienceMs = 40_000;

/** Resolves to the first value but undefined and false that `look` gives; asked at each change. */
function awaited(subscribe, look, describe) {
  return new Promise((resolve, reject) => {
    let end = () => {};
    let over = false;
    const finish = () => {
      over = true;
      clearTimeout(timer);
      end();
    };
    const check = () => {
      if (over) return;
      const found = look();
      if (found === undefined || found === false) return;
      finish();
      resolve(found);
    };
    const timer = setTimeout(() => (finish(), reject(new Error(describe()))), patienceMs);
    end = subscribe(check);
    if (over) end();
    else check();
  });
}

/** All workers that one volunteer has spawned, in this order. */
class Crew {
  workers = [];
  /** What `spawn` does first, in its turns: throws, or gives something else. */
  tricks = [];
  listeners = new Set();

  constructor() {
    this.spawn = () => {
      const trick = this.tricks.shift();
      if (trick) return trick();
      const worker = new Worker(address);
      const entry = { worker, heard: [], ended: false };
      const terminate = worker.terminate.bind(worker);
      worker.terminate = () => {
        entry.ended = true;
        terminate();
        this.changed();
      };
      worker.addEventListener("message", ({ data }) => {
        if (!data.heard) return;
        entry.heard.push(data.heard);
        this.changed();
      });
      this.workers.push(entry);
      this.changed();
      return worker;
    };
  }

  changed() {
    for (const listener of [...this.listeners]) listener();
  }

  until(look, what) {
    const subscribe = (listener) => {
      this.listeners.add(listener);
      return () => this.listeners.delete(listener);
    };
    const all = () => JSON.stringify(this.workers.map(({ heard, ended }) => ({ heard, ended })));
    return awaited(subscribe, look, () => `${what} did not come; the workers: ${all()}`);
  }

  /** The `count`th message of a kind that a worker hears. */
  heard(index, kind, count) {
    const look = () => this.workers[index]?.heard.filter(({ t }) => t === kind)[count - 1];
    return this.until(look, `${kind} to worker ${index}`);
  }

  ended(index) {
    return this.until(() => this.workers[index]?.ended, `the end of worker ${index}`);
  }

  /** Has a worker say something to the page. */
  say(index, message) {
    this.workers[index].worker.postMessage({ say: [message] });
  }

  /** Has a worker say something many times. */
  flood(index, messages) {
    this.workers[index].worker.postMessage({ say: messages });
  }

  kill(index, error) {
    this.workers[index].worker.postMessage({ error });
  }
}

export const newCrew = () => new Crew();

/** Resolves to the first status that `test` likes. */
export async function reach(volunteer, test) {
  const subscribe = (listener) => volunteer.subscribe(listener);
  const look = () => test(volunteer.status) && volunteer.status;
  return awaited(subscribe, look, () => `${test}: ${JSON.stringify(volunteer.status)}`);
}

/** Replaces a property, also one that cannot be assigned to; returns how to put it back. */
export function replace(owner, name, value) {
  const before = Object.getOwnPropertyDescriptor(owner, name);
  Object.defineProperty(owner, name, { value, configurable: true, writable: true });
  return () => (before ? Object.defineProperty(owner, name, before) : delete owner[name]);
}
