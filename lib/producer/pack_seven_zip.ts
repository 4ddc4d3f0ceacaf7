// A ledger as a .7z, packed by 7-Zip itself, compiled to WebAssembly: for machines without 7-Zip. The encoder sees a small
// file system in memory, in which the ledger's reads and the archive's writes go to the real files: nothing is held here.

import sevenZipModule, { type SevenZipModuleFactory } from "7z-wasm";
import { OperationFailed } from "../errors.ts";
import type { OpenFile } from "../ports.ts";
import { LEDGER_NAME } from "./packer.ts";

/** The package is CommonJS: what its types call the default export is the module itself. */
const sevenZip = sevenZipModule as unknown as SevenZipModuleFactory;

/**
 * Packs.
 *
 * @param onRead Called with the bytes read so far at each read; ends the job by throwing.
 * @throws {OperationFailed} When the encoder does not come to a good end. What the files throw.
 */
export async function packSevenZip(
  ledger: OpenFile,
  out: OpenFile,
  onRead: (doneBytes: number) => void,
): Promise<void> {
  const complaints: string[] = [];
  const module = await sevenZip({
    print: () => {},
    printErr: (line) => {
      if (complaints.length < MAX_COMPLAINTS) complaints.push(line);
    },
    // Its own way to quit would set the exit code of our process.
    quit: (_code, status) => {
      throw status;
    },
  });
  const { FS } = module;
  FS.mkdir(WORK);
  const nodeAt = (path: string) => FS.lookupPath(path).node as unknown as Node;
  FS.writeFile(`${WORK}/${LEDGER_NAME}`, new Uint8Array(0));
  const { size } = ledger.facts();
  attach(nodeAt(`${WORK}/${LEDGER_NAME}`), {
    size: () => size,
    read(bytes, at) {
      onRead(at);
      return ledger.readAt(bytes.subarray(0, Math.max(0, Math.min(bytes.length, size - at))), at);
    },
  });
  // Whatever name the encoder gives to what it makes, there is one such file.
  const folder = nodeAt(WORK);
  const makeNode = folder.node_ops["mknod"] as (...args: unknown[]) => Node;
  let end = 0;
  folder.node_ops = {
    ...folder.node_ops,
    mknod(...args: unknown[]): Node {
      const node = makeNode(...args);
      attach(node, {
        size: () => end,
        read: (bytes, at) => out.readAt(bytes, at),
        write(bytes, at) {
          out.writeAt(bytes, at);
          end = Math.max(end, at + bytes.length);
        },
        truncate(size) {
          out.truncate(size);
          end = size;
        },
      });
      return node;
    },
  };
  FS.chdir(WORK);
  const code = run(
    () => module.callMain(["a", "-t7z", "-mx=1", "-bd", "-mtm-", "out.7z", LEDGER_NAME]),
    complaints,
  );
  if (code !== 0) {
    const why = complaints.find((line) => line.trim() !== "") ?? `it ended with ${code}`;
    throw new OperationFailed(`Cannot pack ${ledger.path}: 7-Zip: ${why.trim()}`);
  }
  onRead(size);
  await out.sync();
}

function run(main: () => unknown, complaints: readonly string[]): number {
  try {
    return (main() as number | undefined) ?? 0;
  } catch (error) {
    // 7-Zip's own exceptions come out of WebAssembly as a number, an encoder that ran wild as a RuntimeError.
    if (typeof error === "number" || error instanceof WebAssembly.RuntimeError) {
      throw new OperationFailed(`Cannot pack: 7-Zip gave up (${complaints.join(" ").trim() || error})`);
    }
    throw error;
  }
}

/** The parts of Emscripten's file system that the package's types leave out. */
interface Node {
  id: number;
  mode: number;
  node_ops: Record<string, unknown>;
  stream_ops: Record<string, unknown>;
}
interface Stream {
  position: number;
}

/** What stands behind a file of the encoder's memory. */
interface Backing {
  size(): number;
  /** Fewer bytes than asked for only at the end. */
  read(bytes: Uint8Array, at: number): number;
  write?(bytes: Uint8Array, at: number): void;
  truncate?(size: number): void;
}

function attach(node: Node, backing: Backing): void {
  const never = new Date(0);
  node.node_ops = {
    ...node.node_ops,
    getattr: () => ({
      dev: 1,
      ino: node.id,
      mode: node.mode,
      nlink: 1,
      uid: 0,
      gid: 0,
      rdev: 0,
      size: backing.size(),
      atime: never,
      mtime: never,
      ctime: never,
      blksize: 4096,
      blocks: Math.ceil(backing.size() / 512),
    }),
    setattr: (_node: Node, { size }: { size?: number }) => {
      if (size !== undefined) backing.truncate?.(size);
    },
  };
  node.stream_ops = {
    read(_stream: Stream, heap: Int8Array, at: number, length: number, position: number): number {
      return backing.read(new Uint8Array(heap.buffer, heap.byteOffset + at, length), position);
    },
    write(_stream: Stream, heap: Int8Array, at: number, length: number, position: number): number {
      backing.write?.(new Uint8Array(heap.buffer, heap.byteOffset + at, length), position);
      return length;
    },
    llseek(stream: Stream, offset: number, whence: number): number {
      return whence === 1 ? stream.position + offset : whence === 2 ? backing.size() + offset : offset;
    },
  };
}

const WORK = "/work";
/** What is kept of the encoder's complaints. */
const MAX_COMPLAINTS = 20;
