// LMDB pages by hand, for files that LMDB itself would never write.

import type { OpenFile } from "../../lib/ports.ts";

export const PAGE = 512;

export interface Tree {
  flags?: number;
  depth: number;
  entries?: number;
  branchPages?: number;
  leafPages?: number;
  overflowPages?: number;
  root: number | undefined;
}

export interface Node {
  key: Uint8Array;
  /** A leaf's data, or a branch's child. */
  data: Uint8Array | number;
  flags?: number;
}

/** A meta page. Two of them begin every file. */
export function metaPage(
  meta: { txn?: number; lastPage: number; main: Tree; free?: Tree; pageSize?: number },
): Uint8Array {
  const page = new Uint8Array(PAGE);
  const view = new DataView(page.buffer);
  view.setUint16(10, 8, true);
  view.setUint32(16, 0xbeefc0de, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(32, 1n << 30n, true);
  page.set(record(meta.free ?? { depth: 0, root: undefined }), 40);
  view.setUint32(40, meta.pageSize ?? PAGE, true);
  page.set(record(meta.main), 88);
  view.setBigUint64(136, BigInt(meta.lastPage), true);
  view.setBigUint64(144, BigInt(meta.txn ?? 1), true);
  return page;
}

/** The 48 bytes of a tree's record. */
export function record(tree: Tree): Uint8Array {
  const bytes = new Uint8Array(48);
  const view = new DataView(bytes.buffer);
  view.setUint16(4, tree.flags ?? 0, true);
  view.setUint16(6, tree.depth, true);
  view.setBigUint64(8, BigInt(tree.branchPages ?? 0), true);
  view.setBigUint64(16, BigInt(tree.leafPages ?? 0), true);
  view.setBigUint64(24, BigInt(tree.overflowPages ?? 0), true);
  view.setBigUint64(32, BigInt(tree.entries ?? 0), true);
  view.setBigUint64(40, tree.root === undefined ? 2n ** 64n - 1n : BigInt(tree.root), true);
  return bytes;
}

export function leafPage(number: number, nodes: Node[], size = PAGE): Uint8Array {
  return nodePage(number, 2, nodes, size);
}

export function branchPage(number: number, nodes: Node[], size = PAGE): Uint8Array {
  return nodePage(number, 1, nodes, size);
}

/** The pages one after the other, as an open file. */
export function fileOf(...pages: Uint8Array[]): OpenFile {
  return sparseFile(new Map(pages.map((page, i) => [i, page])), pages.length * PAGE);
}

/** Pages by their number, with holes between them. */
export function sparseFile(pages: Map<number, Uint8Array>, size: number, pageSize = PAGE): OpenFile {
  return {
    path: "data.ldb",
    readAt(into: Uint8Array, at: number) {
      const part = into.subarray(0, Math.max(0, Math.min(into.length, size - at))).fill(0);
      for (let done = 0; done < part.length;) {
        const begin = (at + done) % pageSize;
        const some = Math.min(pageSize - begin, part.length - done);
        const page = pages.get(Math.floor((at + done) / pageSize));
        if (page !== undefined) part.set(page.subarray(begin, begin + some), done);
        done += some;
      }
      return part.length;
    },
    facts: () => ({ size }),
    close: () => {},
  } as unknown as OpenFile;
}

function nodePage(number: number, flags: number, nodes: Node[], size: number): Uint8Array {
  const page = new Uint8Array(size);
  const view = new DataView(page.buffer);
  view.setBigUint64(0, BigInt(number), true);
  view.setUint16(10, flags, true);
  let upper = size;
  nodes.forEach(({ key, data, flags = 0 }, i) => {
    const low = typeof data === "number" ? data : data.length;
    upper -= 8 + key.length + (typeof data === "number" ? 0 : data.length);
    upper -= upper % 2;
    view.setUint16(16 + 2 * i, upper, true);
    view.setUint16(upper, low & 0xffff, true);
    view.setUint16(upper + 2, low >>> 16, true);
    view.setUint16(upper + 4, flags, true);
    view.setUint16(upper + 6, key.length, true);
    page.set(key, upper + 8);
    if (typeof data !== "number") page.set(data, upper + 8 + key.length);
  });
  view.setUint16(12, 16 + 2 * nodes.length, true);
  view.setUint16(14, upper, true);
  return page;
}
