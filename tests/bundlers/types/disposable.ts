// `using` with TypeScript's library for explicit resource management.

import { init } from "distcompute-client";
import type { Volunteer } from "distcompute-client";

export async function ends(volunteer: Volunteer): Promise<number> {
  using client = await init({ url: "http://127.0.0.1:8080", stage: "a" });
  using page = volunteer;
  void page;
  return await client.jobCount();
}
