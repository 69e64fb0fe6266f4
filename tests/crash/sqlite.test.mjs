// Everything that a tracker on SQLite has acknowledged survives a crash.

import { join } from "node:path";
import { test } from "node:test";

import { surviveKills } from "./kills.mjs";

for (const [calls, jobs] of Object.entries({ old: 2_500, sync: 10_000 })) {
  test(`twenty kills under full load, ${calls} calls: nothing is lost or done twice`, async (t) => {
    const database = (folder) => `sqlite:${join(folder, "jobs.db")}`;
    await surviveKills(t, { database, calls, jobs, kills: 20 });
  });
}
