import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { systemFiles } from "../../lib/io/files.ts";
import { Content } from "../../lib/mirror/content.ts";
import { nameOf } from "../../lib/mirror/content_options.ts";
import type { BlockMatchers, MatchFiles } from "../../lib/torrent/block_matcher.ts";
import { Layout } from "../../lib/torrent/layout.ts";
import { encodeTorrent, type Info, parseInfo } from "../../lib/torrent/metainfo.ts";
import { PieceLayers } from "../../lib/torrent/piece_layers.ts";
import { fixtureBytes } from "../torrent/fixtures.ts";
import { buildTorrent } from "../torrent/torrent_builder.ts";
import { World } from "./content_world.ts";

const PIECE = 65_536;
const PIECES = 6;

/** A snapshot of six pieces in which the first byte of these is another. */
class Snapshot {
  readonly info: Info;
  readonly layout: Layout;
  readonly pieceLayers: ReadonlyMap<string, Uint8Array>;
  readonly bytes: Uint8Array;

  constructor(
    name: string,
    changed: readonly number[],
    options: { kind?: Info["kind"]; pieces?: number } = {},
  ) {
    const { kind = "hybrid", pieces = PIECES } = options;
    this.bytes = fixtureBytes(pieces * PIECE);
    for (const piece of changed) this.bytes[piece * PIECE]! ^= 1;
    const files = [{ path: [], data: this.bytes }];
    const { infoBytes, pieceLayers } = buildTorrent({ kind, name, pieceLength: PIECE, files });
    this.info = parseInfo(infoBytes);
    this.layout = Layout.of(this.info);
    this.pieceLayers = pieceLayers;
  }

  get name(): string {
    return nameOf(this.info);
  }

  /** As an earlier run left it. */
  save({ paths }: World): void {
    const path = paths.torrent(this.name);
    systemFiles.makeDir(dirname(path));
    const { info: { bytes: infoBytes }, pieceLayers } = this;
    systemFiles.writeAtomic(path, encodeTorrent({ infoBytes, pieceLayers, trackers: [] }));
  }
}

/** Puts it where a mirror served it. @returns Its path. */
function serve(world: World, snapshot: Snapshot): string {
  snapshot.save(world);
  const path = world.paths.snapshot(snapshot.name);
  systemFiles.makeDir(dirname(path));
  Deno.writeFileSync(path, snapshot.bytes);
  return path;
}

function open(
  world: World,
  { info, layout, pieceLayers }: Snapshot,
  matchers?: BlockMatchers,
): Promise<Content> {
  return Content.open({
    machine: { ...world.machine, ...(matchers && { matchers }) },
    paths: world.paths,
    info,
    layout,
    layers: info.kind === "v1" ? undefined : new PieceLayers(layout, pieceLayers),
    layersReady: Promise.resolve(),
    force: false,
    signal: world.stop.signal,
    report: () => {},
  });
}

/** What was to be compared when the content was opened; undefined for nothing. */
async function opened(
  world: World,
  snapshot: Snapshot,
): Promise<{ job: MatchFiles | undefined; held: number[]; here: number[] }> {
  let job: MatchFiles | undefined;
  const matchers: BlockMatchers = {
    start(files) {
      job = files;
      return { match: () => {}, end: () => Promise.resolve() };
    },
  };
  const content = await open(world, snapshot, matchers);
  const { picker, here } = content.download;
  const held = [...snapshot.layout.pieces()].filter((piece) => picker.isHeld(piece));
  const found = [...here];
  await content.close("failed");
  return { job, held, here: found };
}

Deno.test("Content compares the pieces that differ from a snapshot that a mirror served, and copies the others", async () => {
  using world = new World();
  const [old, fresh] = [new Snapshot("data.ldb", []), new Snapshot("data.ldb", [1, 4])];
  const path = serve(world, old);
  const { job, held, here } = await opened(world, fresh);
  assert.deepEqual([here, held], [[0, 2, 3, 5], [1, 4]]);
  const own = join(world.paths.incoming(fresh.name), "data.ldb");
  assert.deepEqual([job!.from, job!.to], [[path, own], own]);
});

Deno.test("Content compares what a ledger without any record has, and nothing behind its end", async () => {
  using world = new World();
  // Every piece is another, so that it stays where it is.
  const old = new Snapshot("data.ldb", [0, 1, 2, 3], { pieces: 4 });
  const path = world.put("data.ldb", old.bytes);
  const { job, held } = await opened(world, new Snapshot("data.ldb", []));
  assert.deepEqual(held, [0, 1, 2, 3]);
  assert.equal(job!.from[0], path);
});

Deno.test("Content compares of a part that was fetched what came of it", async () => {
  using world = new World();
  const [old, fresh] = [new Snapshot("data.ldb", []), new Snapshot("data.ldb", [0, 1, 2, 3, 4, 5])];
  old.save(world);
  const content = await open(world, old);
  for (const n of [1, 3]) {
    const piece = old.layout.piece(n)!;
    content.download.storage.write(piece, 0, old.bytes.subarray(n * PIECE, (n + 1) * PIECE));
    content.addPieces([piece]);
  }
  await content.close("failed");
  assert.deepEqual((await opened(world, fresh)).held, [1, 3]);
});

Deno.test("Content compares nothing of a v1 torrent, and nothing where there is no older copy", async () => {
  using world = new World();
  assert.equal((await opened(world, new Snapshot("data.ldb", []))).job, undefined);
  world.put("data.ldb", new Snapshot("data.ldb", [0, 1, 2, 3, 4, 5]).bytes);
  assert.equal((await opened(world, new Snapshot("data.ldb", [], { kind: "v1" }))).job, undefined);
});

Deno.test("Content.close() lets nobody compare any more before it notes the file's time", async () => {
  using world = new World();
  const [old, fresh] = [new Snapshot("data.ldb", []), new Snapshot("data.ldb", [1, 4])];
  serve(world, old);
  // As a thread that is in the middle of a piece when it is to end.
  const matchers: BlockMatchers = {
    start: ({ to }) => ({
      match: () => {},
      end: async () => {
        await Promise.resolve();
        Deno.utimeSync(to, 1, 1);
      },
    }),
  };
  await (await open(world, fresh, matchers)).close("failed");
  world.checker.looked = 0;
  const again = await open(world, fresh, matchers);
  assert.deepEqual([[...again.download.here], world.checker.looked], [[0, 2, 3, 5], 0]);
  await again.close("failed");
});
