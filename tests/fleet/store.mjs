// What an S3 store has, by its own lists.

/**
 * @param {{ AWS_ENDPOINT: string, DISTCOMPUTE_TEST_BUCKET: string, prefix: string }} at
 */
export function openStore({ AWS_ENDPOINT: endpoint, DISTCOMPUTE_TEST_BUCKET: bucket, prefix }) {
  const ask = async (query) => {
    const answer = await fetch(`${endpoint}/${bucket}?${new URLSearchParams(query)}`);
    const text = await answer.text();
    if (!answer.ok) throw new Error(`The store answers ${answer.status} to a list: ${text}`);
    return text;
  };
  const all = (text, name) =>
    [...text.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, "g"))].map(([, found]) => found);
  return {
    /** The names of all objects in a folder. */
    list: async (folder) => {
      const names = [];
      let next;
      do {
        const at = `${prefix}/${folder}/`;
        const from = next === undefined ? {} : { "continuation-token": next };
        const text = await ask({ "list-type": "2", prefix: at, ...from });
        names.push(...all(text, "Key").map((key) => key.slice(at.length)));
        [next] = all(text, "NextContinuationToken");
      } while (next !== undefined);
      return names;
    },
    /** How many objects were begun to be written in parts, and neither finished nor given up. */
    multiparts: async () => all(await ask({ uploads: "" }), "UploadId").length,
  };
}
