// Blobs whose bytes are in files of this machine. Node has such blobs, but cannot pass them to another thread, where
// those of browsers go as any other. Here they are passed by the names of their files.

import { open } from "node:fs/promises";
import { MessagePort } from "node:worker_threads";

/** So many bytes are read at a time. */
const readBytes = 262_144;

/**
 * Bytes of a file, or a blob that Node can pass.
 *
 * @typedef {{ path: string, from: number, to: number } | { blob: Blob }} Piece
 */

const Native = Blob;

/** @param {Piece} piece */
const sizeOf = (piece) => ("blob" in piece ? piece.blob.size : piece.to - piece.from);

/** @param {Piece} piece */
function cut(piece, from, to) {
  if ("blob" in piece) return { blob: piece.blob.slice(from, to) };
  return { path: piece.path, from: piece.from + from, to: piece.from + to };
}

/** @param {Piece[]} pieces */
async function* chunksOf(pieces) {
  for (const piece of pieces) {
    if ("blob" in piece) {
      yield* /** @type {AsyncIterable<Uint8Array>} */ (
        /** @type {unknown} */ (piece.blob.stream())
      );
      continue;
    }
    const file = await open(piece.path);
    try {
      for (let at = piece.from; at < piece.to;) {
        const chunk = new Uint8Array(Math.min(readBytes, piece.to - at));
        const { bytesRead } = await file.read(chunk, 0, chunk.length, at);
        if (bytesRead === 0) throw new Error("The file was cut short.");
        at += bytesRead;
        yield chunk.subarray(0, bytesRead);
      }
    } finally {
      await file.close();
    }
  }
}

export class DiskBlob extends Native {
  #pieces;
  #size;

  /**
   * @param {Piece[]} pieces
   * @param {string} [type]
   */
  constructor(pieces, type = "") {
    super([], { type });
    this.#pieces = pieces.filter((piece) => sizeOf(piece) > 0);
    this.#size = pieces.reduce((sum, piece) => sum + sizeOf(piece), 0);
    // In place of the getter of the class, which knows of no bytes.
    Object.defineProperty(this, "size", { value: this.#size });
  }

  get pieces() {
    return this.#pieces;
  }

  slice(start = 0, end = this.#size, type = "") {
    const place = (at) => Math.min(Math.max(at < 0 ? this.#size + at : at, 0), this.#size);
    const [from, to] = [place(start), place(end)];
    const pieces = [];
    let before = 0;
    for (const piece of this.#pieces) {
      const size = sizeOf(piece);
      const [first, last] = [Math.max(from - before, 0), Math.min(to - before, size)];
      if (first < last) pieces.push(cut(piece, first, last));
      before += size;
    }
    return new DiskBlob(pieces, type);
  }

  stream() {
    const chunks = chunksOf(this.#pieces);
    return /** @type {any} */ (
      new ReadableStream(
        {
          async pull(controller) {
            const { done, value } = await chunks.next();
            if (done) controller.close();
            else controller.enqueue(value);
          },
          async cancel() {
            await chunks.return(undefined);
          },
        },
        { highWaterMark: 0 },
      )
    );
  }

  async bytes() {
    const bytes = new Uint8Array(this.#size);
    let at = 0;
    for await (const chunk of chunksOf(this.#pieces)) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    return bytes;
  }

  async arrayBuffer() {
    return (await this.bytes()).buffer;
  }

  async text() {
    return new TextDecoder().decode(await this.bytes());
  }
}

// A blob in a message of the script's own, or in a checkpoint, would arrive empty.
const cloning = Object.getOwnPropertySymbols(Native.prototype).find(
  ({ description }) => description === "messaging_clone_symbol",
);
if (cloning) {
  Object.defineProperty(DiskBlob.prototype, cloning, {
    value() {
      const why = "A file of a job cannot be cloned here: keep its reference instead.";
      throw new DOMException(why, "DataCloneError");
    },
  });
}

/** What stands for a blob of files in a message between threads. */
const standIn = "distcompute:pieces";

const packed = (blob) =>
  blob instanceof DiskBlob ? { [standIn]: blob.pieces, type: blob.type } : blob;

const unpacked = (blob) =>
  Array.isArray(blob?.[standIn]) ? new DiskBlob(blob[standIn], blob.type) : blob;

/** Changes the blobs in the client's messages: what a handler puts, and the files of jobs. */
function withBlobs(message, change) {
  const { blob, jobs } = Object(message);
  if (blob !== undefined) return { ...message, blob: change(blob) };
  if (!Array.isArray(jobs) || !jobs.some((job) => job?.files)) return message;
  const changed = ({ files, ...job }) => {
    const entries = Object.entries(files ?? {}).map(([name, file]) => [name, change(file)]);
    return { ...job, files: files && Object.fromEntries(entries) };
  };
  return { ...message, jobs: jobs.map(changed) };
}

/** Has this thread's ports pass such blobs, and `Blob` take them as parts. */
export function passBlobs() {
  const { prototype } = MessagePort;
  const { postMessage } = prototype;
  prototype.postMessage = function (message, transfer) {
    return postMessage.call(this, withBlobs(message, packed), transfer);
  };
  const onmessage = /** @type {PropertyDescriptor} */ (
    Object.getOwnPropertyDescriptor(prototype, "onmessage")
  );
  Object.defineProperty(prototype, "onmessage", {
    ...onmessage,
    set(hear) {
      const wrapped = ({ data, ports }) => {
        const message = withBlobs(data, unpacked);
        hear.call(this, new MessageEvent("message", { data: message, ports }));
      };
      onmessage.set?.call(this, typeof hear === "function" ? wrapped : hear);
    },
  });
  globalThis.Blob = new Proxy(Native, { construct });
}

/** Node does not know what such a blob has where it is a part of another one. */
function construct(target, [parts, options], newTarget) {
  const list = parts === undefined ? [] : typeof parts === "string" ? parts : [...parts];
  if (typeof list === "string" || !list.some((part) => part instanceof DiskBlob)) {
    return Reflect.construct(target, [list, options], newTarget);
  }
  const pieces = list.flatMap((part) =>
    part instanceof DiskBlob ? part.pieces : [{ blob: new Native([part]) }],
  );
  return new DiskBlob(pieces, options?.type);
}
