// A ledger as a .7z, packed by 7-Zip itself, compiled to WebAssembly: for machines without 7-Zip. The encoder sees a small
// file system in memory, in which the ledger's reads and the archive's writes go to the real files: nothing is held here.

import { OperationFailed } from "../errors.ts";
import { attach, type Node, nodeAt, openSevenZip } from "../extract/seven_zip_wasm.ts";
import type { OpenFile } from "../ports.ts";
import { LEDGER_NAME } from "./packer.ts";

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
  const { FS, complaints, run } = await openSevenZip();
  FS.mkdir(WORK);
  FS.writeFile(`${WORK}/${LEDGER_NAME}`, new Uint8Array(0));
  const { size } = ledger.facts();
  attach(nodeAt(FS, `${WORK}/${LEDGER_NAME}`), {
    size: () => size,
    read(bytes, at) {
      onRead(at);
      return ledger.readAt(bytes, at);
    },
  });
  // Whatever name the encoder gives to what it makes, there is one such file.
  const folder = nodeAt(FS, WORK);
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
  const code = run(["a", "-t7z", "-mx=1", "-bd", "-mtm-", "out.7z", LEDGER_NAME]);
  if (code !== 0) {
    const why = complaints.find((line) => line.trim() !== "") ?? `it ended with ${code}`;
    throw new OperationFailed(`Cannot pack ${ledger.path}: 7-Zip: ${why.trim()}`);
  }
  onRead(size);
  await out.sync();
}

const WORK = "/work";
