// The minimal loop for the first protocol: two calls per job.

import { read, work, written } from "./job.js";

async function post(call, body) {
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch(`/api/${call}`, {
    method: "POST",
    headers,
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${call}: ${await answer.text()}`);
  return answer;
}

const { token } = await (await fetch("/api/new?stage=a&nickname=two")).json();

for (;;) {
  const { data } = await (await post("newJob", { token })).json();
  await (await post("completeJob", { token, data: written(work(read(data))) })).text();
}
