// A node's folder as a running node leaves it, with a ledger by LMDB, and what nobody but the node may touch.

import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { ledgerFixture } from "./ledger_fixture.ts";
import { mustRun, PythonPeer } from "./support.ts";

/** What is the node's own business. */
const PRIVATE = ["wallets.ldb", "wallets.ldb-lock", "config-node.toml", "node_id_private.key"];

export class NodeFolder {
  readonly path: string;
  readonly ledger: string;
  /** Contents of what must never change. */
  readonly #before = new Map<string, string>();

  private constructor(path: string) {
    this.path = path;
    this.ledger = join(path, "data.ldb");
  }

  /** @param blocks Of the ledger that is there; undefined makes a folder of a node that has none. */
  static async make(path: string, blocks: number | undefined): Promise<NodeFolder> {
    const folder = new NodeFolder(path);
    await Deno.mkdir(path, { recursive: true, mode: 0o700 });
    for (const name of PRIVATE) {
      await Deno.writeTextFile(join(path, name), `secret of ${name}\n`, { mode: 0o600 });
      folder.#before.set(name, describe(join(path, name)));
    }
    if (blocks !== undefined) await Deno.copyFile((await ledgerFixture(blocks)).path, folder.ledger);
    return folder;
  }

  get secrets(): string[] {
    return PRIVATE.map((name) => join(this.path, name));
  }

  /** All names but those that are the node's business. */
  names(): string[] {
    return [...Deno.readDirSync(this.path)].map(({ name }) => name).filter((name) => !PRIVATE.includes(name))
      .toSorted();
  }

  /** Nothing of the node's own was changed, opened or given to somebody. */
  mustBeUntouched(): void {
    for (const [name, before] of this.#before) assert.equal(describe(join(this.path, name)), before, name);
  }

  async chown(uid: number, gid: number): Promise<void> {
    await mustRun("chown", ["-R", `${uid}:${gid}`, this.path]);
    for (const name of PRIVATE) this.#before.set(name, describe(join(this.path, name)));
  }
}

/** All of stat but the number of links and the access time, which a test's own look changes. */
function describe(path: string): string {
  const { ino, mode, uid, gid, size, mtime, ctime } = Deno.statSync(path);
  return JSON.stringify({ ino, mode, uid, gid, size, mtime, ctime });
}

/** What `mdb_stat` counts in a table. */
export async function statOf(path: string, table: string, field = "Entries"): Promise<number> {
  const lock = `${path}-lock`;
  const isLocked = await Deno.stat(lock).then(() => true, () => false);
  const { stdout } = await mustRun("mdb_stat", ["-n", "-s", table, path]);
  // It makes one, and leaves it.
  if (!isLocked) await Deno.remove(lock).catch(() => {});
  // The main table's numbers come first.
  const numbers = [...stdout.matchAll(new RegExp(`^ *${field}: (\\d+)$`, "gm"))];
  return Number(numbers.at(-1)?.[1]);
}

/** A process that has the ledger open as a node has. */
export async function openAsNode(folder: NodeFolder): Promise<PythonPeer> {
  const node = await PythonPeer.start(join(dirname(import.meta.filename!), "py", "node.py"));
  await node.call("open", { path: folder.ledger });
  return node;
}
