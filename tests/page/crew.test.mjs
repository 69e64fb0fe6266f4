import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { Crew } from "../../www/crew.js";

/** A crew with workers that do what the test says, and a clock that it moves. */
function rig() {
  const workers = [];
  const farewells = [];
  const clock = { now: 1000 };
  const spawn = () => {
    const worker = {
      sent: [],
      ended: false,
      postMessage: (message) => worker.sent.push(message.type),
      terminate: () => (worker.ended = true),
      says: (data) => worker.onmessage({ data }),
    };
    workers.push(worker);
    return worker;
  };
  const crew = new Crew({
    spawn,
    farewell: (token) => farewells.push(token),
    changed: () => {},
    now: () => clock.now,
  });
  const pass = (ms) => {
    for (let passed = 0; passed < ms; passed += 1000) {
      clock.now += 1000;
      crew.tick();
    }
  };
  return { crew, workers, farewells, pass, clock };
}

const registered = (token, stage = "a") => ({ type: "registered", stage, dump: { token } });

test("a worker gets its order when it is ready, not before", () => {
  const { crew, workers } = rig();
  crew.start(2, {});
  assert.equal(workers.length, 2);
  assert.deepEqual(workers[0].sent, []);
  workers[0].says({ type: "ready" });
  assert.deepEqual([workers[0].sent, workers[1].sent], [["start"], []]);
});

test("a page that goes says goodbye for every registration, and ends the workers", () => {
  const { crew, workers, farewells } = rig();
  crew.start(2, {});
  workers[0].says(registered("one"));
  workers[0].says(registered("two", "b"));
  workers[1].says(registered("three"));
  crew.leave();
  assert.deepEqual(farewells.sort(), ["one", "three", "two"]);
  assert.ok(workers.every((worker) => worker.ended));
  crew.leave();
  assert.equal(farewells.length, 3, "once is enough");
});

test("a registration that replaced another is the one that is said goodbye to", () => {
  const { crew, workers, farewells } = rig();
  crew.start(1, {});
  workers[0].says(registered("old"));
  workers[0].says(registered("new"));
  crew.leave();
  assert.deepEqual(farewells, ["new"]);
});

test("Stop lets the workers say goodbye themselves", async () => {
  const { crew, workers, farewells } = rig();
  crew.start(1, {});
  workers[0].says(registered("one"));
  const stopping = crew.stop();
  assert.deepEqual(workers[0].sent, ["stop"]);
  workers[0].says({ type: "stopped" });
  await stopping;
  assert.deepEqual(farewells, []);
  assert.ok(workers[0].ended);
});

test("Stop does not wait for ever: the page says goodbye instead", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const { crew, workers, farewells } = rig();
  crew.start(1, {});
  workers[0].says(registered("one"));
  const stopping = crew.stop();
  mock.timers.tick(5000);
  await stopping;
  mock.timers.reset();
  assert.deepEqual(farewells, ["one"]);
  assert.ok(workers[0].ended);
});

test("a worker that dies is said so, and replaced; its job is put back", () => {
  const { crew, workers, farewells, pass } = rig();
  crew.start(1, {});
  workers[0].says(registered("one"));
  workers[0].onerror({ preventDefault: () => {}, message: "unreachable executed" });
  assert.deepEqual(crew.cores[0].state, "broken");
  assert.match(crew.cores[0].note, /unreachable executed/);
  assert.deepEqual(farewells, ["one"]);
  pass(10_000);
  assert.equal(workers.length, 2);
  assert.equal(crew.cores[0].state, "starting");
  workers[0].says({ type: "job", stage: "a", stageName: "Render", number: 9 });
  assert.equal(crew.cores[0].state, "starting", "the dead worker's last words are not heard");
});

test("a worker that dies again and again is tried less and less often", () => {
  const { crew, workers, pass } = rig();
  crew.start(1, {});
  for (let minutes = 0; minutes < 30; minutes += 1) {
    for (let second = 0; second < 60; second += 1) {
      const worker = workers.at(-1);
      if (!worker.ended) worker.says({ type: "failed", message: "no memory" });
      pass(1000);
    }
  }
  assert.ok(workers.length > 20 && workers.length < 70, `${workers.length} workers in 30 minutes`);
});

test("a worker that says nothing is replaced, one that announced a wait is not", () => {
  const { crew, workers, pass, clock } = rig();
  crew.start(2, {});
  workers[1].says({ type: "waiting", why: "no_jobs", until: clock.now + 400_000 });
  pass(300_000);
  assert.ok(workers[0].ended);
  assert.ok(!workers[1].ended);
});

test("a page that slept does not take its own sleep for its workers' silence", () => {
  const { crew, workers, clock } = rig();
  crew.start(1, {});
  crew.tick();
  clock.now += 8 * 3600_000;
  crew.tick();
  assert.ok(!workers[0].ended);
});

test("after Stop nobody is replaced", async () => {
  const { crew, workers, pass } = rig();
  crew.start(1, {});
  const stopping = crew.stop();
  workers[0].says({ type: "stopped" });
  await stopping;
  pass(600_000);
  assert.equal(workers.length, 1);
});
