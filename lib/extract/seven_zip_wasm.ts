// 7-Zip itself, compiled to WebAssembly, with a file system in memory whose files are windows onto whatever the caller
// puts behind them: nothing of what it reads or writes is held here.

import sevenZipModule, { type SevenZipModuleFactory } from "7z-wasm";

/** One fresh 7-Zip, for one command: what it leaves in its memory is never used again. */
export interface SevenZip {
  readonly FS: Awaited<ReturnType<SevenZipModuleFactory>>["FS"];
  /** The first lines that it wrote to stderr. */
  readonly complaints: readonly string[];
  /**
   * Runs the command. What the files behind it throw ends it and comes out of here.
   *
   * @returns The exit code; undefined when it gave up, which is then its last complaint.
   */
  run(words: readonly string[]): number | undefined;
}

/** What stands behind a file of its memory. */
export interface Backing {
  size(): number;
  /** Fewer bytes than asked for only at the end. */
  read(bytes: Uint8Array, at: number): number;
  write?(bytes: Uint8Array, at: number): void;
  truncate?(size: number): void;
}

/** The parts of Emscripten's file system that the package's types leave out. */
export interface Node {
  id: number;
  mode: number;
  node_ops: Record<string, unknown>;
  stream_ops: Record<string, unknown>;
}
export interface Stream {
  position: number;
  tty: unknown;
  stream_ops: Record<string, unknown>;
}

export async function openSevenZip(): Promise<SevenZip> {
  const complaints: string[] = [];
  const complain = (line: string) => {
    if (complaints.length < MAX_COMPLAINTS) complaints.push(line);
  };
  const module = await sevenZip({
    print: () => {},
    printErr: complain,
    // Its own way to quit would set the exit code of our process.
    quit: (_code, status) => {
      throw status;
    },
  });
  return {
    FS: module.FS,
    complaints,
    run(words) {
      try {
        return (module.callMain([...words]) as number | undefined) ?? 0;
      } catch (error) {
        // 7-Zip's own exceptions come out of WebAssembly as a number, code that ran wild as a RuntimeError.
        if (typeof error !== "number" && !(error instanceof WebAssembly.RuntimeError)) throw error;
        complain(`it gave up (${error})`);
        return undefined;
      }
    },
  };
}

/** What it has under that path. */
export function nodeAt(FS: SevenZip["FS"], path: string): Node {
  return FS.lookupPath(path).node as unknown as Node;
}

/** Makes an empty file of its memory into a window onto something else. */
export function attach(node: Node, backing: Backing): void {
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
      const n = Math.min(length, Math.max(0, backing.size() - position));
      return n === 0 ? 0 : backing.read(new Uint8Array(heap.buffer, heap.byteOffset + at, n), position);
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

/** The package is CommonJS: what its types call the default export is the module itself. */
const sevenZip = sevenZipModule as unknown as SevenZipModuleFactory;
const MAX_COMPLAINTS = 20;
