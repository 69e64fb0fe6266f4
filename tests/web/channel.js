// The hub's side of compute workers, for the tests in `tests/web_work.rs`.

/** Both ends of a channel: what comes to the hub's is kept, in order. */
export function channel() {
  const { port1, port2 } = new MessageChannel();
  const seen = [];
  let check = () => {};
  port1.onmessage = ({ data }) => {
    seen.push(data);
    check();
  };
  const until = (test) =>
    new Promise((resolve) => {
      check = () => test() && resolve();
      check();
    });
  const results = () => seen.flatMap((message) => message.results ?? []);
  return {
    theirs: port2,
    seen,
    send: (message) => port1.postMessage(message),
    started: (key) => until(() => seen.some((message) => message.started === key)),
    said: (t) => until(() => seen.some((message) => message.t === t)),
    done: async (count) => {
      await until(() => results().length >= count);
      return results();
    },
  };
}

/**
 * A hub in a thread of its own, which signals a pause after 200 ms and its end after 1.4 s. It needs no further
 * message: those of a worker that is blocked do not always leave it.
 */
export function otherThread() {
  const script = `
      const url = () => URL.createObjectURL(new Blob(["1"]));
      const slots = Array.from({ length: 4 }, () => Array.from({ length: 5 }, url));
      postMessage(slots);
      const say = (said) => {
          const [changed, ...bits] = slots.shift();
          bits.filter((_, bit) => (said >> bit) & 1).forEach((url) => URL.revokeObjectURL(url));
          URL.revokeObjectURL(changed);
      };
      setTimeout(say, 200, 0);
      setTimeout(say, 1400, 10);
  `;
  const worker = new Worker(URL.createObjectURL(new Blob([script])));
  const slots = new Promise((resolve) => (worker.onmessage = ({ data }) => resolve(data)));
  return { slots: () => slots, end: () => worker.terminate() };
}
