// lsd_test.ts inside its network. Each side is started only when the other has said all that it says at its start, so
// that only one of the two can be the finder.

import assert from "node:assert/strict";
import { systemSurroundings } from "../../lib/io/surroundings.ts";
import { LSD_GROUP, LSD_GROUP_IPV6, parseLsd } from "../../lib/line/lsd_message.ts";
import { writeNoise } from "./kinds.ts";
import { SeedHost } from "./seed_host.ts";
import { nanoSnap } from "./stage.ts";
import { freePort, sha256OfFile, within } from "./support.ts";
import { LibtorrentSwarm } from "./swarm.ts";

const [folder = "", family] = Deno.args;
const isIpv6 = family === "IPv6";
/** How often we send each hash at the start. libtorrent 2.0.8 repeats the last of a torrent's only. */
const FIRST_WORDS = 3;

/** How often each port was heard to announce each hash. */
const heard = new Map<number, Map<string, number>>();
const waiting = new Map<number, () => void>();
await using group = await systemSurroundings.joinGroup(isIpv6 ? LSD_GROUP_IPV6 : LSD_GROUP, undefined).then((
  udp,
) => ({
  udp,
  [Symbol.asyncDispose]: () => udp.close(),
}));
group.udp.onDatagram((bytes) => {
  const message = parseLsd(bytes);
  if (message === undefined) return;
  const hashes = heard.get(message.port) ?? new Map<string, number>();
  heard.set(message.port, hashes);
  for (const hash of message.infoHashes) hashes.set(`${hash}`, (hashes.get(`${hash}`) ?? 0) + 1);
  if (isSilent(message.port)) waiting.get(message.port)?.();
});

function isSilent(port: number): boolean {
  const counts = [...heard.get(port)?.values() ?? []];
  return counts.length === 2 && counts.some((count) => count >= FIRST_WORDS);
}

function silence(port: number): Promise<void> {
  if (isSilent(port)) return Promise.resolve();
  const silent = new Promise<void>((resolve) => waiting.set(port, resolve));
  return within(
    silent,
    30_000,
    `LSD of port ${port}`,
    () => JSON.stringify([...heard].map(([port, hashes]) => [port, [...hashes.values()]])),
  );
}

const path = `${folder}/files/noise.bin`;
await writeNoise(path, 5_000_000);
await using swarm = await LibtorrentSwarm.start();
const made = await swarm.createTorrent({ path, torrent: `${path}.torrent`, pieceSize: 65_536 });
const lsd = { listen: isIpv6 ? "[fd00:9::1]:0" : "10.9.0.1:0", settings: { enable_lsd: true } };

{
  const port = freePort();
  const words = ["--torrent", made.torrent, "--data-dir", `${folder}/got`, "--port", `${port}`];
  const alone = ["--no-dht", "--no-trackers", "--no-port-mapping", "--json"];
  await using run = nanoSnap(["get", ...words, ...alone], 60_000, { LSD_ENABLED: "true" });
  await silence(port);
  const seed = await swarm.addSeed({ dir: `${folder}/files`, torrent: made.torrent, ...lsd });
  const { code, stderr } = await run.finished();
  assert.equal(code, 0, stderr);
  assert.equal(sha256OfFile(`${folder}/got/noise.bin`), sha256OfFile(path));
  await swarm.close(seed);
}
{
  Deno.mkdirSync(`${folder}/leech`);
  const leech = await swarm.addLeech({ dir: `${folder}/leech`, torrent: made.torrent, ...lsd });
  await silence(leech.port);
  const host = await SeedHost.open(folder, { bind: [], lsd: true });
  await host.seed(path, made.torrent);
  await swarm.done(leech);
  assert.equal(sha256OfFile(`${folder}/leech/noise.bin`), sha256OfFile(path));
  await host[Symbol.asyncDispose]();
}
