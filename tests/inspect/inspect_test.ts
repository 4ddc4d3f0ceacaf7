import assert from "node:assert/strict";
import { toHex } from "../../lib/bytes.ts";
import { InspectWorld, PIECE, run } from "./inspect_world.ts";
import { NO_LINKS, notOnWindows } from "../windows.ts";

Deno.test("inspect data.ldb gives the ledger's facts, with --full what must be counted", async () => {
  using world = new InspectWorld();
  const path = await world.ledger();
  const quick = JSON.parse((await run("inspect", path, "--json")).stdout);
  const facts = {
    kind: "ledger",
    path,
    size: Deno.statSync(path).size,
    version: 24,
    minimum_node: "V27.0",
    block_count: 400,
    account_count: 50,
    cemented_count: null,
    account_block_sum: null,
    network: "live",
    page_size: 4096,
    last_transaction: 1,
    warnings: [],
  };
  assert.deepEqual(quick, facts);
  const full = JSON.parse((await run("inspect", path, "--full", "--json")).stdout);
  assert.deepEqual(full, { ...facts, cemented_count: 350, account_block_sum: 400 });
  const { stdout } = await run("inspect", path);
  assert.match(stdout, /^block count {13}400$/m);
  assert.match(stdout, /^next +nano-snap verify \S+data\.ldb'?, goes through all of it\n$/m);
  assert.deepEqual(world.names(), ["data.ldb"]);
});

Deno.test("inspect --full fails where the tables that it counts are damaged", async () => {
  using world = new InspectWorld();
  const path = await world.ledger();
  world.spoil("data.ldb", 2 * 4096 + 12);
  const { exitCode, stderr, stdout } = await run("inspect", path, "--full");
  assert.equal(exitCode, 4);
  assert.equal(stdout, "");
  assert.match(
    stderr,
    /Cannot count what is in \S+: table accounts: page 2 has nodes that overlap.*verify \S+ tells all\n$/,
  );
});

Deno.test("inspect of a .torrent gives its hashes, files and what it claims", async () => {
  using world = new InspectWorld();
  await world.ledger();
  const claims = { original_filename: "Nano_64_2026_04_23_09.7z", ledger_version: 24, block_count: -1 };
  const path = world.torrent("data.ldb", { extra: { "x-snapshot": JSON.stringify(claims) } });
  const facts = JSON.parse((await run("inspect", path, "--json")).stdout);
  const { size } = Deno.statSync(world.path("data.ldb"));
  assert.deepEqual(
    {
      ...facts,
      info_hash: facts.info_hash.length,
      info_hash_v1: facts.info_hash_v1.length,
      magnet: undefined,
    },
    {
      kind: "torrent",
      path,
      name: "data.ldb",
      format: "hybrid",
      info_hash: 64,
      info_hash_v1: 40,
      size,
      piece_length: PIECE,
      piece_count: Math.ceil(size / PIECE),
      files: [{ name: "data.ldb", size }],
      original_filename: "Nano_64_2026_04_23_09.7z",
      published: "2026-04-23T09:00:00.000Z",
      claimed_ledger_version: 24,
      claimed_block_count: null,
      claimed_account_count: null,
      trackers: [],
      web_seeds: [],
      magnet: undefined,
    },
  );
  const again = JSON.parse((await run("inspect", facts.magnet, "--json")).stdout);
  assert.deepEqual([again.kind, again.info_hash, again.info_hash_v1, again.name], [
    "magnet",
    facts.info_hash,
    facts.info_hash_v1,
    "data.ldb",
  ]);
});

Deno.test("inspect of an archive lists it without unpacking", async () => {
  using world = new InspectWorld();
  const path = await world.archive();
  const facts = JSON.parse((await run("inspect", path, "--json")).stdout);
  assert.deepEqual(facts, {
    kind: "archive",
    path,
    size: Deno.statSync(path).size,
    format: "gz",
    method: "deflate",
    entries: [{ name: "data.ldb", size: null, packed_size: null, crc32: null }],
    all_entries: false,
  });
  assert.match(
    (await run("inspect", path)).stdout,
    /^all entries {2,}no, the first only: a packed tar or file is not unpacked to be listed$/m,
  );
  assert.deepEqual(world.names(), ["data.ldb", "data.ldb.gz"]);
});

Deno.test("inspect of an info-hash says which, and what would fetch it", async () => {
  const v2 = toHex(new Uint8Array(32).fill(0xab));
  assert.deepEqual(JSON.parse((await run("inspect", v2, "--json")).stdout), {
    kind: "info-hash",
    info_hash: v2,
    info_hash_v1_or_short: null,
  });
  const short = v2.slice(0, 40).toUpperCase();
  const { stdout } = await run("inspect", short);
  assert.match(stdout, new RegExp(`^next +nano-snap get --info-hash ${v2.slice(0, 40)}, fetches it$`, "m"));
});

Deno.test({
  name: "inspect refuses what is not there, not known, or holds keys",
  ignore: notOnWindows(NO_LINKS),
}, async () => {
  using world = new InspectWorld();
  Deno.writeTextFileSync(world.path("x"), "something else");
  Deno.writeTextFileSync(world.path("d.torrent"), "d4:infode");
  Deno.writeTextFileSync(world.path("wallets.ldb"), "");
  Deno.symlinkSync("wallets.ldb", world.path("data.ldb.link"));
  const cases: [word: string, exitCode: number, why: RegExp][] = [
    [world.path("nothing"), 6, /there is no such file/],
    [world.root, 6, /it is no regular file/],
    [world.path("x"), 4, /does not begin as a torrent, an archive or a ledger/],
    [world.path("d.torrent"), 4, /^nano-snap: Cannot use the torrent/],
    [world.path("wallets.ldb"), 2, /holds keys: nano-snap never opens it/],
    [world.path("data.ldb.link"), 2, /holds keys: nano-snap never opens it/],
    ["magnet:?dn=x", 2, /magnet/],
  ];
  for (const [word, exitCode, why] of cases) {
    const heard = await run("inspect", word);
    assert.equal(heard.exitCode, exitCode, `${word}: ${heard.stderr}`);
    assert.match(heard.stderr, why);
  }
});
