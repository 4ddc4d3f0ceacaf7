import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { toHex, utf8 } from "../../lib/bytes.ts";
import { UsageError } from "../../lib/errors.ts";
import type { Named, TorrentSource } from "../../lib/inspect/find_torrent.ts";
import { verify } from "../../lib/inspect/verify.ts";
import { SystemMachine } from "../../lib/io/machine.ts";
import type { Target } from "../../lib/mirror/target.ts";
import { encodeTorrent, type Metainfo, parseTorrent } from "../../lib/torrent/metainfo.ts";
import { InspectWorld } from "./inspect_world.ts";

const KEY = new Uint8Array(32).fill(9);
const ALL_GOOD = ["pieces good", "structure good", "ledger good"];
const NEWEST: Named = { kind: "newest" };

Deno.test("verify asks for a torrent that is not here once, and for none that is", async () => {
  using world = new InspectWorld();
  const path = await world.ledger();
  const torrent = world.torrent("data.ldb");
  const metainfo = parseTorrent(Deno.readFileSync(torrent));
  const others = new Others(metainfo);
  const named: Named = { kind: "infoHash", bytes: metainfo.info.infoHashV2! };
  assert.deepEqual(await results(path, named, others), ALL_GOOD);
  assert.deepEqual(others.asked, []);
  // One that leaves the hashes of its pieces to peers is no help.
  const { info: { bytes: infoBytes } } = metainfo;
  Deno.writeFileSync(torrent, encodeTorrent({ infoBytes, pieceLayers: new Map(), trackers: [] }));
  assert.deepEqual(await results(path, named, others), ALL_GOOD);
  Deno.removeSync(torrent);
  assert.deepEqual(await results(path, named, others), ALL_GOOD);
  const name = toHex(metainfo.info.infoHashV2!);
  assert.deepEqual(others.asked, [name, name]);
  await assert.rejects(results(path, named, undefined), UsageError);
});

Deno.test("verify against the newest: the archive's bytes, and from which archive a ledger is", async () => {
  using world = new InspectWorld();
  const ledger = await world.ledger();
  const archive = world.path("nano-ledger-snapshot.7z");
  // Its bytes do not matter here, only its name.
  Deno.copyFileSync(ledger, archive);
  const torrent = world.torrent("nano-ledger-snapshot.7z");
  const metainfo = parseTorrent(Deno.readFileSync(torrent));
  for (const file of [torrent, archive]) Deno.removeSync(file);
  const others = new Others(metainfo);
  assert.deepEqual(await results(ledger, NEWEST, others), [
    "pointer warning",
    "structure good",
    "ledger good",
  ]);
  const v2 = toHex(metainfo.info.infoHashV2!);
  const { size, mtimeMs, ino } = statSync(ledger);
  const record = { v1: null, seq: 7, path: ledger, size, mtime: mtimeMs, inode: ino };
  Deno.mkdirSync(world.path(".nano-snap"));
  const note = (v2: string) =>
    Deno.writeTextFileSync(world.path(".nano-snap", "installed.json"), JSON.stringify({ ...record, v2 }));
  note(v2);
  const [pointer] = (await check(world.root, NEWEST, others)).checks;
  assert.equal(
    pointer!.detail,
    `unpacked from what ${toHex(KEY)} signed torrent ${v2.slice(0, 16)} last, at seq 5`,
  );
  note("ab".repeat(32));
  const old = (await check(world.root, NEWEST, others)).checks[0]!;
  assert.equal(old.result, "warning");
  assert.match(old.detail, /; this ledger was unpacked from torrent abababababababab$/);
  // The data directory's archive is compared byte by byte, and everybody is asked once for both.
  Deno.writeFileSync(archive, new Uint8Array(size));
  others.asked.length = others.lookups = 0;
  const both = await check(world.root, NEWEST, others);
  assert.deepEqual(both.checks.filter((one) => one.path === archive).map((one) => one.check), [
    "pointer",
    "pieces",
    "archive",
  ]);
  assert.equal(both.isGood, false);
  assert.deepEqual([others.lookups, others.asked], [1, [v2]]);
});

/** Knows one torrent, which is everybody's newest. */
class Others implements TorrentSource {
  readonly asked: string[] = [];
  lookups = 0;

  constructor(readonly metainfo: Metainfo) {}

  newest() {
    this.lookups++;
    const pointer = { kind: "v2" as const, infoHashV2: this.metainfo.info.infoHashV2! };
    const item = {
      publicKey: KEY,
      salt: utf8("daily"),
      seq: 5,
      value: new Uint8Array(0),
      signature: new Uint8Array(64),
    };
    return Promise.resolve({ pointer, item });
  }

  learn({ name }: Target): Promise<Metainfo> {
    this.asked.push(name);
    return Promise.resolve(this.metainfo);
  }
}

function check(path: string, torrent: Named, others: TorrentSource | undefined) {
  const options = { path, torrent, authorityKey: KEY, salt: utf8("daily") };
  const machine = new SystemMachine("nano-snap test");
  return verify(options, machine, () => {}, new AbortController().signal, others);
}

async function results(path: string, torrent: Named, others: TorrentSource | undefined): Promise<string[]> {
  return (await check(path, torrent, others)).checks.map(({ check, result }) => `${check} ${result}`);
}
