// The imports between Rust modules: there are no cycles, and in the tracker and the engine modules import only
// from lower layers.
//
// Imports are compared between siblings, at the level where the paths of both modules diverge: if `a/x.rs`
// imports from `b/y.rs`, then `a` imports `b`. A module and its submodules count as one.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { root } from "../../scripts/places.mjs";

/** The layers of the tracker, highest first. Modules of the same layer do not import each other either. */
const TRACKER = [
  ["main"],
  ["commands"],
  ["serve"],
  ["http"],
  ["state", "operations"],
  ["admission"],
  ["error", "metrics", "response_cache"],
  ["config"],
  ["database_url"],
  ["files"],
  ["store"],
  ["ledger"],
  ["limited_log"],
  ["rules"],
  ["clock", "random"],
];

/** The layers of the engine. Its machines share only the messages between hub and compute workers. */
const ENGINE = [
  ["core", "page"],
  ["message"],
  ["hub"],
  ["client"],
  ["status"],
  ["nearest", "reason", "settings"],
  ["fault"],
  ["names", "sorted_map", "time"],
  ["list"],
];

/** The layers of the modules within `http`. */
const HTTP = [
  ["router"],
  ["api"],
  ["handlers", "pages"],
  ["base_path", "compression", "join_path", "openapi", "request", "request_id"],
];

/** Removes comments, strings and tests from Rust code. */
function code(text) {
  const silent = text.replace(
    /\/\/[^\n]*|\/\*[^]*?\*\/|\br(#*)"[^]*?"\1|"(?:\\[^]|[^"\\])*"|'(?:\\[^']+|[^'\\])'/g,
    '""',
  );
  return silent.replace(/#\[cfg\(test\)\]\s*(?:#\[[^\]]*\]\s*)*mod \w+ \{[^]*?\n\}/g, "");
}

/** The paths in a use tree such as `a::{b, c as d}`, with the names that they bind. */
function* leaves(tree, before = []) {
  let depth = 0;
  const parts = [""];
  for (const letter of tree) {
    depth += { "{": 1, "}": -1 }[letter] ?? 0;
    if (letter === "," && depth === 0) parts.push("");
    else parts[parts.length - 1] += letter;
  }
  for (const part of parts.map((part) => part.trim()).filter((part) => part !== "")) {
    const [, start, inner] = /^([\w:]*?)(?:::)?\{([^]*)\}$/.exec(part) ?? [];
    if (inner !== undefined) {
      yield* leaves(inner, [...before, ...start.split("::").filter((name) => name !== "")]);
      continue;
    }
    const [path, alias] = part.split(/\s+as\s+/);
    const names = [...before, ...path.split("::")];
    if (names.at(-1) === "self" && names.length > 1) names.pop();
    yield { path: names, name: alias ?? names.at(-1) };
  }
}

/** The module of a file: `serve/listen.rs` is `serve::listen`, and `lib.rs` is the crate root, "". */
function moduleOf(file) {
  const names = file.replace(/\.rs$/, "").split("/");
  if (names.at(-1) === "mod" || file === "lib.rs") names.pop();
  return names.join("::");
}

/**
 * The imports between the modules of a crate, given its files by their paths below `src`. `crate` is the name
 * by which `main.rs` imports the library of its package.
 */
function imports(files, crate) {
  const hidden = new Set();
  const texts = new Map();
  for (const [file, text] of Object.entries(files)) {
    const module = moduleOf(file);
    texts.set(module, code(text));
    for (const [, name] of text.matchAll(/#\[cfg\(test\)\]\s*mod (\w+);/g)) {
      hidden.add(module === "" ? name : `${module}::${name}`);
    }
  }
  for (const module of hidden) texts.delete(module);

  /** Resolves a path to one from the crate's root, or to undefined for other crates. */
  const absolute = (module, path) => {
    const base = module === "" ? [] : module.split("::");
    const rest = [...path];
    if (rest[0] === "crate" || rest[0] === crate) return rest.slice(1);
    if (!["self", "super"].includes(rest[0])) {
      const within = [...base, rest[0]].join("::");
      return texts.has(within) ? [...base, ...rest] : undefined;
    }
    while (["self", "super"].includes(rest[0])) if (rest.shift() === "super") base.pop();
    return [...base, ...rest];
  };

  const named = new Map();
  for (const [module, text] of texts) {
    const own = [];
    for (const [, tree] of text.matchAll(/\buse\s+([^;]+);/g)) {
      for (const { path, name } of leaves(tree)) {
        const target = absolute(module, path);
        if (target !== undefined) own.push({ target, name });
      }
    }
    const paths = text.replace(/\buse\s+[^;]+;/g, "");
    for (const [path] of paths.matchAll(
      new RegExp(`\\b(?:crate|super|${crate})(?:::\\w+)+`, "g"),
    )) {
      own.push({ target: absolute(module, path.split("::")) });
    }
    named.set(module, own);
  }

  /** The module in which the item of a path is defined, following re-exports. */
  const ending = (target, steps = 0) => {
    let length = target.length;
    while (length > 0 && !texts.has(target.slice(0, length).join("::"))) length -= 1;
    const module = target.slice(0, length).join("::");
    const again = named.get(module)?.find(({ name }) => name === target[length]);
    if (again === undefined || name(again.target) === name(target) || steps > 8) return module;
    return ending([...again.target, ...target.slice(length + 1)], steps + 1);
  };
  const name = (path) => path.join("::");

  return [...named].flatMap(([from, own]) =>
    [...new Set(own.map(({ target }) => ending(target)))]
      .filter((to) => to !== from)
      .map((to) => ({ from, to })),
  );
}

/** For each module, and "" for the crate: the imports between its direct submodules. */
function siblings(edges) {
  const levels = new Map();
  for (const { from, to } of edges) {
    const [a, b] = [from.split("::"), to.split("::")];
    let same = 0;
    while (same < a.length && a[same] === b[same]) same += 1;
    if (from === "" || to === "" || same === a.length || same === b.length) continue;
    const parent = a.slice(0, same).join("::");
    if (!levels.has(parent)) levels.set(parent, new Map());
    const level = levels.get(parent);
    if (!level.has(a[same])) level.set(a[same], new Map());
    level.get(a[same]).set(b[same], `${from} imports ${to}`);
  }
  return levels;
}

/** Finds a cycle among siblings, and returns its imports. */
function circle(level) {
  const done = new Set();
  const visit = (module, way) => {
    const at = way.findIndex((step) => step.module === module);
    if (at >= 0) return way.slice(at).map((step) => step.why);
    if (done.has(module)) return undefined;
    for (const [to, why] of level.get(module) ?? []) {
      const found = visit(to, [...way, { module, why }]);
      if (found !== undefined) return found;
    }
    done.add(module);
    return undefined;
  };
  for (const module of level.keys()) {
    const found = visit(module, []);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The imports from a higher or from the same layer. */
function upwards(level, order) {
  const place = (module) => order.findIndex((line) => line.includes(module));
  return [...level].flatMap(([from, targets]) =>
    [...targets].filter(([to]) => place(from) >= place(to)).map(([, why]) => why),
  );
}

/** The files of a crate by their paths below `src`, without programs other than `main.rs`. */
function sources(folder) {
  const files = readdirSync(folder, { recursive: true }).map((file) => file.replaceAll("\\", "/"));
  const rust = files.filter((file) => file.endsWith(".rs") && !file.startsWith("bin/"));
  return Object.fromEntries(rust.map((file) => [file, readFileSync(join(folder, file), "utf8")]));
}

const crates = [
  ...readdirSync(join(root, "crates")).map((crate) => [`crates/${crate}/src`, crate]),
  ["src", "client"],
];

for (const [folder, crate] of crates) {
  test(`the imports in ${folder} have no cycle`, () => {
    const files = sources(join(root, folder));
    const levels = siblings(imports(files, `distcompute_${crate}`));
    for (const [module, level] of levels) {
      const place = [folder, ...module.split("::")].filter((name) => name !== "").join("/");
      assert.equal(circle(level)?.join(", "), undefined, place);
    }
  });
}

for (const [crate, least, orders] of [
  ["tracker", 200, { "": TRACKER, http: HTTP }],
  ["engine", 50, { "": ENGINE }],
]) {
  test(`the modules of the ${crate} import only from lower layers`, () => {
    const files = sources(join(root, "crates", crate, "src"));
    const edges = imports(files, `distcompute_${crate}`);
    assert.ok(edges.length > least, `only ${edges.length} imports were read`);
    const levels = siblings(edges);
    for (const [within, order] of Object.entries(orders)) {
      const modules = Object.keys(files)
        .map((file) => moduleOf(file).split("::"))
        .map((names) => (within === "" ? names : names[0] === within ? names.slice(1) : []))
        .map(([name]) => name)
        .filter((name) => name !== undefined && name !== "");
      assert.deepEqual(
        [...new Set(modules)].sort(),
        order.flat().sort(),
        `the order names each module in ${within || crate} once`,
      );
      assert.deepEqual(upwards(levels.get(within), order), []);
    }
  });
}

test("a cycle is found for every form of imports", () => {
  const found = (files) => {
    const levels = siblings(imports(files, "sample"));
    return [...levels.values()].map(circle).find((way) => way !== undefined);
  };
  const plain = { "lib.rs": "mod a;\nmod b;", "a.rs": "use crate::b::B;" };
  assert.equal(found({ ...plain, "b.rs": "// use crate::a::A;\npub struct B;" }), undefined);
  assert.equal(
    found({ ...plain, "b.rs": '#[cfg(test)]\nmod tests {\n    use crate::a::A;\n}\n"crate::a";' }),
    undefined,
  );
  for (const back of [
    "use crate::a::A;",
    "use super::a;",
    "use crate::{\n    c,\n    a::{self as other, A},\n};",
    "fn f() -> crate::a::A {}",
    "const LETTERS: [char; 2] = ['\"', '\\''];\nuse super::a::A;",
  ]) {
    assert.deepEqual(found({ ...plain, "b.rs": back }), ["a imports b", "b imports a"], back);
  }
  // Cycles between folders, and through re-exports.
  const folders = {
    "lib.rs": "mod a;\nmod b;",
    "a/mod.rs": "pub mod x;\npub mod y;\npub use self::x::X;",
    "a/x.rs": "use super::y::Y;",
    "b.rs": "use crate::a::X;",
  };
  assert.equal(found({ ...folders, "a/y.rs": "" }), undefined);
  assert.deepEqual(found({ ...folders, "a/y.rs": "use super::X;" }), [
    "a::x imports a::y",
    "a::y imports a::x",
  ]);
  assert.deepEqual(found({ ...folders, "a/y.rs": "use crate::b::B;" }), [
    "b imports a::x",
    "a::y imports b",
  ]);
});

test("an import from a higher layer is found", () => {
  const files = {
    "lib.rs": "pub mod high;\npub mod low;",
    "main.rs": "use sample::high;",
    "high.rs": "",
    "low.rs": "use crate::high::High;",
  };
  const level = siblings(imports(files, "sample")).get("");
  const order = (...lines) => upwards(level, lines);
  assert.deepEqual(order(["main"], ["high"], ["low"]), ["low imports high"]);
  assert.deepEqual(order(["main"], ["high", "low"]), ["low imports high"]);
  assert.deepEqual(order(["main"], ["low"], ["high"]), []);
});
