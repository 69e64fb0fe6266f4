// Everything that a tracker on PostgreSQL has acknowledged survives a crash of the tracker.

import { after, before, test } from "node:test";

import { startPostgres } from "../../scripts/postgres.mjs";
import { surviveKills } from "../crash/kills.mjs";

let postgres;
before(async () => (postgres = await startPostgres()), { timeout: 120_000 });
after(() => postgres?.stop());

for (const [calls, jobs] of Object.entries({ old: 2_500, sync: 10_000 })) {
  test(`twenty kills under full load, ${calls} calls: nothing is lost or done twice`, async (t) => {
    await surviveKills(t, { database: () => postgres.url, calls, jobs, kills: 20 });
  });
}
