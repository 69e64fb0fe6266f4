// What this browser keeps for a tracker: registrations, results that wait, jobs that can go on. In
// IndexedDB, the one storage that workers have. No rule belongs here: the scheduler says what to keep.
//
// Storage may be missing, full or wiped at any time. Whoever writes does not wait and is not told;
// what is kept only helps after a reload.

const store = "kept";

let opened;

function open() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open("distcompute", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(store);
    request.onerror = () => reject(request.error);
    request.onsuccess = () => {
      // Another tab may want to delete it.
      request.result.onversionchange = () => close(request.result);
      request.result.onclose = () => (opened = undefined);
      resolve(request.result);
    };
  });
  opened.catch(() => (opened = undefined));
  return opened;
}

function close(database) {
  opened = undefined;
  database.close();
}

/** Runs `work` on the store; resolves, when it is on disk, to what its request brought. */
async function transact(mode, work) {
  const database = await open();
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(store, mode);
    const request = work(transaction.objectStore(store));
    transaction.oncomplete = () => resolve(request?.result);
    transaction.onabort = () => reject(transaction.error);
  });
}

/** All that is kept at `site`. Array keys sort after texts, so this is the whole of it. */
const all = (site) => IDBKeyRange.bound([site], [site, []]);

/** Resolves to what is kept at `site`, as it was written; to nothing where there is no storage. */
export async function read(site) {
  try {
    return await transact("readonly", (kept) => kept.getAll(all(site)));
  } catch {
    return [];
  }
}

/** Writes `[name, value]` each, or deletes the name where there is no value, in one go. */
export async function write(site, entries) {
  try {
    await transact("readwrite", (kept) => {
      for (const [name, value] of entries) {
        try {
          if (value === undefined) kept.delete([site, name]);
          else kept.put(value, [site, name]);
        } catch {
          // A checkpoint may be what no storage takes, as a compiled module is; the rest is kept.
        }
      }
    });
    return true;
  } catch {
    return false;
  }
}

/** Deletes all that is kept at `site`. Rejects where that fails: somebody has asked for it. */
export async function forget(site) {
  await transact("readwrite", (kept) => {
    kept.delete(all(site));
  });
}
