// What a tracker on SQLite has answered survives its end.

import { join } from "node:path";
import { test } from "node:test";

import { surviveKills } from "./kills.mjs";

test("twenty kills under full load: nothing that was answered is lost or done twice", async (t) => {
  const database = (folder) => `sqlite:${join(folder, "jobs.db")}`;
  await surviveKills(t, { database, calls: "old", jobs: 4_000, kills: 20 });
});
