// Values that nobody expects, as texts of JavaScript: what fails can be read, and pasted elsewhere.

/** What a text has excused: in WebKit, a stream that breaks off with what throws rejects promises that
 * only the engine has. */
export const excused = new WeakSet();

/** What every text here may use. */
const helpers = {
  excuse: (error) => (excused.add(error), error),
  /** Another window, whose objects are no instances of this one's classes. */
  elsewhere: parent,
  thrower: (thrown) => () => {
    throw thrown;
  },
  /** Everything that is done to it throws. */
  hostile: (target = {}, made = (error) => error) =>
    new Proxy(
      target,
      new Proxy({}, { get: () => () => { throw made(new Error("hostile")); } }), // prettier-ignore
    ),
  revoked: (target) => {
    const { proxy, revoke } = Proxy.revocable(target, {});
    revoke();
    return proxy;
  },
  detached: () => {
    const buffer = new ArrayBuffer(8);
    const view = new Uint8Array(buffer);
    structuredClone(buffer, { transfer: [buffer] });
    return view;
  },
  nested: (depth) => {
    let list = [];
    for (let at = 0; at < depth; at += 1) list = [list];
    return list;
  },
  cycle: () => {
    const object = { list: [] };
    object.list.push(object);
    return object;
  },
  /** Rejected, and nobody need complain that it is. */
  rejected: (reason) => {
    const promise = Promise.reject(reason);
    promise.catch(() => {});
    return promise;
  },
};

/** The value of a text. */
export function valueOf(source) {
  return new Function(...Object.keys(helpers), `return (${source});`)(...Object.values(helpers));
}

/** Texts that one side reads as another thing than the other, or cannot hold. */
const texts = [
  '""',
  '"a"',
  '"0"',
  '"\\0"',
  '"\\ud800"',
  '"\\udc00 \\ud83d"',
  '"\\ufeff{}"',
  '"<!json!>"',
  '"<!json!>{"',
  '"<!json!>[1]"',
  '"<p>"',
  '"__proto__"',
  '"constructor"',
  '"then"',
  '"http://elsewhere.example"',
  '"http://[1"',
  '"x".repeat(300)',
  '"ä".repeat(129)',
  '"\\u{1f600}".repeat(70000)',
  '"x".repeat(2 ** 20)',
];

const numbers = [
  ...["0", "1", "-1", "-0", "0.5", "7", "255", "256", "1e3", "65536", "2 ** 31 - 1", "2 ** 31"],
  ...["2 ** 32 - 1", "2 ** 32", "2 ** 53 - 1", "2 ** 53", "-(2 ** 53)", "2 ** 64", "1e308"],
  ...["5e-324", "NaN", "Infinity", "-Infinity", "8.64e15", "-8.64e15"],
];

/** What `postMessage` and storage carry. */
const clonable = [
  ...["undefined", "null", "true", "false"],
  ...numbers,
  ...texts,
  ...["10n", "-(2n ** 80n)", "{}", "[]", "[,]", "new Array(70000)", "[[[]]]", "nested(2000)"],
  ...["new Date(NaN)", "new Map([[1, {}]])", "new Set([1])", "/x/g", 'new Error("x")', "cycle()"],
  ...["new ArrayBuffer(8)", "new Uint8Array(3)", "new Boolean(false)", "Object(1n)"],
  ...['new Blob(["x"])', "Object('text')", "{ length: 5 }", "{ length: -1 }", "{ then: 1 }"],
];

/** And what only a call within a thread does. */
const unclonable = [
  ...["Symbol()", "Symbol.iterator", "() => 1", "() => {}", "async () => 1", "function () {}"],
  ...["class {}", 'thrower("x")', "thrower(undefined)", "thrower(hostile())", "hostile()"],
  ...["hostile([])", "hostile(() => 1)", "hostile(new Error('x'))", "revoked({})", "revoked([])"],
  ...["revoked(() => 1)", "new Proxy({}, {})", "new Proxy([], {})", "new Proxy(() => 1, {})"],
  ...[
    "detached()",
    "detached().buffer",
    "nested(20000)",
    "Object.create(null)",
    "Object(Symbol())",
  ],
  ...["new WeakMap()", "Promise.resolve(1)", 'rejected("x")', "rejected(hostile())"],
  ...["new Promise(() => {})", "globalThis", "document", "document.all", "elsewhere", "Math"],
  ...["elsewhere.Array(3)", "new elsewhere.Object()", 'elsewhere.eval("new Error")'],
  ...['elsewhere.eval("({ get url() { throw 1 } })")', 'elsewhere.eval("() => 1")'],
  ...["new elsewhere.AbortController().signal", 'elsewhere.AbortSignal.abort("there")'],
  ...["new AbortController().signal", "AbortSignal.abort()", "AbortSignal.abort(hostile())"],
  ...["AbortSignal.timeout(0)", "Object.create(AbortSignal.prototype)", "new Event('abort')"],
  ...["new Proxy(new AbortController().signal, {})", "{ aborted: false, addEventListener() {} }"],
  ...["{ aborted: false, addEventListener: thrower(1), removeEventListener: thrower(2) }"],
  ...["{ get aborted() { throw 1 }, addEventListener() {} }", "{ toJSON: thrower(1) }"],
  ...["{ toJSON: () => 7 }", "{ toJSON: () => [1] }", "{ toJSON: () => undefined }"],
  ...['{ toJSON: () => "x".repeat(2 ** 24) }', "{ valueOf: thrower(1), toString: thrower(2) }"],
  ...["{ [Symbol.toPrimitive]: thrower(1) }", "{ get [Symbol.toStringTag]() { throw 1 } }"],
  ...['{ [Symbol.toStringTag]: "Array" }', '{ [Symbol.toStringTag]: "x".repeat(2 ** 20) }'],
  ...["{ then: thrower(1) }", "{ then(take) { take(1) } }", "{ get then() { throw 1 } }"],
  ...["{ then(take, refuse) { refuse(hostile()); take(1) } }", "{ then() {} }"],
  ...["Object.assign(new Error('x'), { message: hostile() })", "Object.freeze([])"],
  ...["Object.assign(new Error('x'), { message: 'x'.repeat(2 ** 24) })"],
  ...["new MessageChannel().port1", "new (class extends Array {})()", "(function* () {})()"],
  ...[
    "new WebAssembly.Memory({ initial: 1 })",
    "Object.seal({ url: 1 })",
    "new Intl.NumberFormat()",
  ],
];

/** So long that it may be too long for anything: rare, because each takes a while. */
const huge = [
  '"x".repeat(2 ** 26 + 1)',
  '["\\u0100".repeat(2 ** 26)]',
  '{ a: "x".repeat(2 ** 28) }',
];

const names = ["a", "0", "length", "then", "url", "signal", "handler", "toJSON", "__proto__", "t"];

/**
 * Any value at all.
 *
 * @param {import("./choices.js").Choices} choices
 * @param {{ cloned?: boolean }} [how] whether it comes out of a message, or of storage
 */
export function anything(choices, { cloned = false } = {}, depth = 2) {
  const inner = () => anything(choices, { cloned }, depth - 1);
  const kind = depth > 0 ? choices.below(8) : 0;
  if (kind < 5) {
    if (cloned) return choices.of(clonable);
    if (choices.once(400)) return choices.of(huge);
    return choices.of([...clonable, ...unclonable]);
  }
  if (kind === 5) return `[${choices.list(3, inner)}]`;
  const fields = choices.list(3, () => {
    const name = JSON.stringify(choices.of(names));
    const way = cloned ? 0 : choices.below(4);
    if (way === 3) return `get ${name}() { throw ${inner()} }`;
    return way === 2 ? `get ${name}() { return ${inner()} }` : `[${name}]: ${inner()}`;
  });
  const object = `{ ${fields.join(", ")} }`;
  if (cloned || kind === 6) return `(${object})`;
  return choices.of([
    `Object.freeze(${object})`,
    `Object.create(${object})`,
    `new Proxy(${object}, {})`,
  ]);
}

/**
 * A value like `good`, with something wrong somewhere, or with nothing. `good` is plain data, in
 * which `raw` stands for a text of JavaScript.
 */
export function nearly(choices, good, how = {}) {
  if (choices.once(12)) return anything(choices, how);
  if (good instanceof Raw) return good.source;
  if (Array.isArray(good)) {
    const list = good.map((entry) => nearly(choices, entry, how));
    if (choices.once(20)) list.push(...list);
    if (choices.once(20)) list.push(anything(choices, how));
    return `[${list}]`;
  }
  if (Object(good) !== good) return good === undefined ? "undefined" : JSON.stringify(good);
  const fields = [];
  for (const [name, value] of Object.entries(good)) {
    if (choices.once(25)) continue;
    const source = nearly(choices, value, how);
    const isOdd = !how.cloned && choices.once(30);
    const key = /^\w+$/.test(name) ? name : JSON.stringify(name);
    const odd = () => choices.of([`get ${key}() { return ${source} }`, `get ${key}() { throw 1 }`]);
    fields.push(isOdd ? odd() : `${key}: ${source}`);
  }
  const object = `({ ${fields.join(", ")} })`;
  if (how.cloned || !choices.once(40)) return object;
  return choices.of([`Object.freeze(${object})`, `new Proxy(${object}, {})`, `hostile(${object})`]);
}

class Raw {
  constructor(source) {
    this.source = source;
  }
}

/** Code in the place of data. */
export const raw = (source) => new Raw(source);

/** What JSON can say and hardly anybody expects. */
const json = [
  ...["null", "true", "0", "-0", "-1", "0.5", "1e999", "-1e999", "1e308", "9007199254740993"],
  ...["4294967296", "1e15", '""', '"\\u0000"', '"\\ud800"', '"__proto__"', "[]", "{}", "[[]]"],
  ...["[null]", '{"then":1}', '{"length":9}', '"true"', '"200 OK"', '"<!json!>{"', '"<!json!>[1]"'],
  ...["[".repeat(5000) + "]".repeat(5000), JSON.stringify("x".repeat(300)), '"\\u00e4"'],
  ...[JSON.stringify("x".repeat(2 ** 20)), `[${"0,".repeat(9999)}0]`],
];

/** A JSON text nearly that of `good`. */
export function nearlyJson(choices, good) {
  if (choices.once(12)) return choices.of(json);
  if (Array.isArray(good)) {
    const entries = good.map((entry) => nearlyJson(choices, entry));
    const times = choices.once(15) ? choices.of([0, 2, 600]) : 1;
    return `[${Array.from({ length: times }, () => entries).flat()}]`;
  }
  if (Object(good) !== good) return JSON.stringify(good);
  const fields = [];
  for (const [name, value] of Object.entries(good)) {
    if (choices.once(20)) continue;
    fields.push(`${JSON.stringify(name)}:${nearlyJson(choices, value)}`);
    if (choices.once(30)) fields.push(`${JSON.stringify(name)}:${choices.of(json)}`);
  }
  if (choices.once(30)) fields.push(`"__proto__":${choices.of(json)}`);
  return `{${fields}}`;
}
