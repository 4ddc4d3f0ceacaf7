// What `nano-snap get` is given to eat and must refuse: torrents that make no sense, torrents that contradict themselves,
// archives that climb, link, lie or burst. Exit 4, one sentence, nothing under a final name, and the ledger that was
// there stays as it was, byte for byte.

import assert from "node:assert/strict";
import { createCipheriv } from "node:crypto";
import { overwriting } from "./damage.ts";
import { ledgerFixture } from "./ledger_fixture.ts";
import { Liar, type Script, SCRIPTS, truthOf } from "./liars.ts";
import { nanoSnap } from "./stage.ts";
import { mustRun, need, type RunningProgram, sha256OfFile, type TempDir, tempDir } from "./support.ts";
import { LibtorrentSwarm } from "./swarm.ts";

const BLOCK = 16_384;
const OLD_LEDGER = "the ledger that was there";

/** Info dictionaries in bencoding, each with one thing wrong. */
const BAD_TORRENTS: Record<string, { info: string; why: RegExp }> = {
  "a name that climbs": {
    info: `d6:lengthi5e4:name16:../../etc/passwd12:piece lengthi${BLOCK}e6:pieces20:${"h".repeat(20)}e`,
    why: /its name "\.\.\/\.\.\/etc\/passwd" is a path/,
  },
  "an absolute name": {
    info: v2({ name: "/root/.ssh/authorized_keys" }),
    why: /its name "\/root\/\.ssh\/authorized_keys" is a path/,
  },
  "a name that is a path on Windows": {
    info: v2({ name: "..\\data.ldb" }),
    why: /its name "\.\.\\data\.ldb" is a path/,
  },
  "a name that is the folder itself": {
    info: `d6:lengthi5e4:name2:..12:piece lengthi${BLOCK}e6:pieces20:${"h".repeat(20)}e`,
    why: /its name "\.\." is a path/,
  },
  "a piece length that is no power of two": {
    info: v2({ pieceLength: 3 * BLOCK }),
    why: /its piece length is 49152, not a power of two/,
  },
  "a piece length of nothing": { info: v2({ pieceLength: 0 }), why: /its piece length is not an integer/ },
  "a piece length of a terabyte": { info: v2({ pieceLength: 2 ** 40 }), why: /its piece length/ },
  "no files": {
    info: `d9:file treede12:meta versioni2e4:name1:f12:piece lengthi${BLOCK}ee`,
    why: /it has no files/,
  },
  "only empty files": {
    info: `d9:file treed1:fd0:d6:lengthi0eeee12:meta versioni2e4:name1:f12:piece lengthi${BLOCK}ee`,
    why: /its files are all empty/,
  },
  "a file of 2^53 bytes": {
    info: v2({ length: "9007199254740992" }),
    why: /the length of a file is not an integer from 0 to \d+/,
  },
  "a file of 2^80 bytes": {
    info: v2({ length: `${2n ** 80n}` }),
    why: /the file is not bencoding: a number is too long/,
  },
  "a file of fewer than no bytes": { info: v2({ length: "-5" }), why: /the length of a file/ },
  "more pieces than hashes": {
    info: `d6:lengthi99999e4:name1:f12:piece lengthi${BLOCK}e6:pieces20:${"h".repeat(20)}e`,
    why: /it has 20 bytes of SHA-1 hashes for 7 pieces/,
  },
  "metadata over the limit": {
    info: v2({ filler: "x".repeat((32 << 20) + 1) }),
    why: /its info dictionary has \d+ bytes, more than 33554432/,
  },
};

Deno.test({
  name: "get --torrent ends 4 at a torrent that makes no sense, and says what is wrong with it",
  async fn() {
    await using place = await Place.open();
    for (const [name, { info, why }] of Object.entries(BAD_TORRENTS)) {
      Deno.writeFileSync(place.torrent, latin1(`d4:info${info}e`));
      await using run = place.get(["--torrent", place.torrent]);
      await place.refused(run, 4, why, name);
    }
  },
});

Deno.test({
  name: "get --torrent ends 4 at a .torrent that is cut, or is something else",
  ignore: need("libtorrent"),
  async fn() {
    await using place = await Place.open();
    await using swarm = await LibtorrentSwarm.start();
    Deno.writeFileSync(place.temp.join("f"), noise(100_000));
    await swarm.createTorrent({ path: place.temp.join("f"), torrent: place.torrent, pieceSize: BLOCK });
    const whole = Deno.readFileSync(place.torrent);
    const foreign = ["<html>not found</html>", "", "i5e", "4:spam"].map(latin1);
    for (const bytes of [whole.subarray(0, whole.length / 2), ...foreign]) {
      Deno.writeFileSync(place.torrent, bytes);
      await using run = place.get(["--torrent", place.torrent]);
      await place.refused(run, 4, /Cannot use the torrent: the file is not/, `${bytes.length} bytes`);
    }
    // A hole on the disk: nothing of that size is read.
    Deno.truncateSync(place.torrent, 2 ** 33);
    await using run = place.get(["--torrent", place.torrent]);
    await place.refused(
      run,
      4,
      /Cannot use the torrent: the file has 8589934592 bytes, more than \d+/,
      "8 GiB",
    );
  },
});

Deno.test({
  name: "get --magnet ends 4 when the metadata fits its hash and makes no sense",
  async fn() {
    await using place = await Place.open();
    for (const name of ["a name that climbs", "a piece length that is no power of two", "no files"]) {
      const { info, why } = BAD_TORRENTS[name]!;
      const metadata = latin1(info);
      await using peer = new Liar({ host: 1, script: SCRIPTS.honestMetadata }, {
        content: new Uint8Array(),
        metadata,
        pieceLength: BLOCK,
        pieceCount: 1,
        root: new Uint8Array(),
        layer: new Uint8Array(),
      });
      const kind = info.includes("meta version") ? "SHA-256" : "SHA-1";
      const hash = hex(new Uint8Array(await crypto.subtle.digest(kind, metadata)));
      const magnet = kind === "SHA-1" ? `urn:btih:${hash}` : `urn:btmh:1220${hash}`;
      await using run = place.get(["--magnet", `magnet:?xt=${magnet}`, "--peer", peer.address]);
      await place.refused(run, 4, why, name);
    }
  },
});

Deno.test({
  name: "get --torrent does not believe a wrong piece layer, and fetches the right one",
  ignore: need("libtorrent"),
  async fn() {
    await using place = await Place.open();
    await using swarm = await LibtorrentSwarm.start();
    const path = place.temp.join("nano-ledger-snapshot.7z");
    Deno.writeFileSync(path, noise(3_000_000));
    await swarm.createTorrent({ path, torrent: place.torrent, pieceSize: 2 * BLOCK });
    const seed = await swarm.addSeed({ dir: place.temp.path, torrent: place.torrent });
    const { layer } = await truthOf(place.torrent, path);
    const torrent = Deno.readFileSync(place.torrent);
    torrent[indexOf(torrent, layer) + 40]! ^= 1;
    Deno.writeFileSync(place.torrent, torrent);
    await using run = place.get(["--torrent", place.torrent, "--peer", `127.0.0.1:${seed.port}`], false);
    const result = await run.finished();
    assert.equal(result.code, 0, result.stderr);
    assert.equal(sha256OfFile(`${place.dataDir}/nano-ledger-snapshot.7z`), sha256OfFile(path));
  },
});

Deno.test({
  name: "get --torrent ends 8 when its hashes are of other data than anybody has",
  ignore: need("libtorrent"),
  async fn() {
    await using place = await Place.open();
    const { torrent, served } = await place.mixedTorrent("v2");
    await using peer = await honestPeer(torrent, served);
    const source = ["--torrent", torrent, "--peer", peer.address, "--stall-timeout", "3"];
    await using run = place.get(source, false, "WARNING");
    const result = await run.finished();
    assert.equal(result.code, 8, result.stderr);
    assert.match(result.stderr, /Banned 127\.0\.1\.1 .*: it sent a bad piece/);
    assert.match(result.stderr, /^nano-snap: Cannot fetch .*: no data for \d+ s, .*[^.]$/m);
    place.untouched();
  },
});

Deno.test({
  name: "get --torrent ends 4 when the v1 and the v2 hashes of a hybrid are of different data",
  ignore: need("libtorrent"),
  async fn() {
    await using place = await Place.open();
    const { torrent, served } = await place.mixedTorrent("hybrid");
    await using peer = await honestPeer(torrent, served);
    await using run = place.get(["--torrent", torrent, "--peer", peer.address]);
    await place.refused(run, 4, /its v1 and v2 hashes disagree on piece \d+/, "hybrid");
  },
});

/** How an archive is made of `data.ldb`, in the folder where it lies: a shell line that leaves `archive`. */
const BAD_ARCHIVES: Record<string, { make: string; why: RegExp }> = {
  "7z with ..": {
    make: "7zz a -mx=1 a.7z data.ldb && 7zz rn a.7z data.ldb ../data.ldb && mv a.7z archive",
    why: /"\.\.\/data\.ldb" leads out of its folder/,
  },
  "7z with an absolute name": {
    make: "7zz a -mx=1 a.7z data.ldb && 7zz rn a.7z data.ldb /tmp/data.ldb && mv a.7z archive",
    why: /"\/tmp\/data\.ldb" has an absolute name/,
  },
  "7z with another member first": {
    make: "echo hi > a.txt && 7zz a -mx=1 a.7z a.txt data.ldb && mv a.7z archive",
    why: /"a\.txt" is not data\.ldb|more than one entry/,
  },
  "7z with a symbolic link": {
    make:
      "mkdir l && ln -s /etc/passwd l/data.ldb && cd l && 7zz a -snl ../a.7z data.ldb && mv ../a.7z ../archive",
    why: /"data\.ldb" is a link/,
  },
  "7z with a wrong CRC": {
    make: `7zz a -mx=0 a.7z data.ldb && ${overwriting("a.7z", 1_000_000)} && mv a.7z archive`,
    why: /does not match the checksum in it/,
  },
  "7z with damaged data": {
    make: `7zz a -mx=1 a.7z data.ldb && ${overwriting("a.7z", 1_000_000)} && mv a.7z archive`,
    why: /checksum|data is damaged/,
  },
  "7z with what is no ledger": {
    make: "head -c 100000 /dev/urandom > data.ldb && 7zz a a.7z data.ldb && mv a.7z archive",
    why: /no LMDB file/,
  },
  "tar with ..": {
    make: "mkdir x && cd x && tar -P -cf - ../data.ldb | zstd -q -o ../archive",
    why: /"\.\.\/data\.ldb" leads out of its folder/,
  },
  "tar with a symbolic link": {
    make: "mkdir l && ln -s /etc/passwd l/data.ldb && tar -C l -cf - data.ldb | zstd -q -o archive",
    why: /"data\.ldb" is a link/,
  },
  "tar with a second member behind the ledger": {
    make: "touch readme && tar -cf - data.ldb readme | zstd -q -o archive",
    why: /also "readme"/,
  },
  "a bomb of 4 GiB of zeros": {
    make: "head -c 4G /dev/zero | zstd -q > archive",
    why: /neither a tar nor an LMDB/,
  },
};

Deno.test({
  name:
    "get --extract ends 4 at an archive that climbs, links, lies or bursts, and leaves the old ledger alone",
  ignore: need("libtorrent", "mdb_load", "7zz", "zstd", "tar"),
}, async (t) => {
  const ledger = await ledgerFixture(6000);
  await using swarm = await LibtorrentSwarm.start();
  for (const [name, { make, why }] of Object.entries(BAD_ARCHIVES)) {
    await t.step(name, async () => {
      await using place = await Place.open();
      const dir = place.temp.join("seed");
      Deno.mkdirSync(dir);
      Deno.copyFileSync(ledger.path, `${dir}/data.ldb`);
      await mustRun("bash", ["-c", `set -e -o pipefail; ${make}`], { cwd: dir });
      const torrent = place.torrent;
      await swarm.createTorrent({ path: `${dir}/archive`, torrent, pieceSize: 1 << 20 });
      const seed = await swarm.addSeed({ dir, torrent });
      await using run = place.get(["--extract", "--torrent", torrent, "--peer", `127.0.0.1:${seed.port}`]);
      await place.refused(run, 4, why, name);
      await swarm.close(seed);
    });
  }
});

/** A data directory that holds a ledger, and a place for torrents. */
class Place implements AsyncDisposable {
  private constructor(readonly temp: TempDir) {}

  static async open(): Promise<Place> {
    const place = new Place(await tempDir());
    Deno.mkdirSync(place.dataDir);
    Deno.writeTextFileSync(`${place.dataDir}/data.ldb`, OLD_LEDGER);
    return place;
  }

  get dataDir(): string {
    return this.temp.join("data");
  }

  get torrent(): string {
    return this.temp.join("some.torrent");
  }

  get(more: readonly string[], json = true, level = "ERROR"): RunningProgram {
    const where = ["--data-dir", this.dataDir, "--bind", "127.0.0.1", "--port", "0", "--no-dht"];
    const view = ["--log-level", level, ...(json ? ["--json"] : [])];
    return nanoSnap(["get", ...where, ...view, ...more], 60_000);
  }

  /** Checks the end: the code, one sentence without a full stop, the error as JSON, and nothing harmed. */
  async refused(run: RunningProgram, code: number, why: RegExp, what: string): Promise<void> {
    const result = await run.finished();
    assert.equal(result.code, code, `${what}: ${result.stderr}`);
    const lines = result.stderr.split("\n").filter((line) => line !== "");
    assert.equal(lines.length, 1, `${what}: ${result.stderr}`);
    assert.match(lines[0]!, /^nano-snap: Cannot .*[^.]$/, what);
    assert.match(lines[0]!, why, what);
    const { error } = JSON.parse(result.stdout) as { error: { message: string; exit_code: number } };
    assert.equal(error.exit_code, code, what);
    this.untouched();
  }

  /** Only the old ledger is there, and our own files. */
  untouched(): void {
    assert.equal(Deno.readTextFileSync(`${this.dataDir}/data.ldb`), OLD_LEDGER);
    const names = [...Deno.readDirSync(this.dataDir)].map((entry) => entry.name);
    const ours = [".nano-snap", "data.ldb", "mirror_state.json"];
    assert.deepEqual(names.filter((name) => !ours.includes(name)), []);
    const outside = [...Deno.readDirSync(this.temp.path)].map((entry) => entry.name);
    assert.ok(!outside.includes("data.ldb"), "nothing climbed out");
  }

  /** A torrent with the tree of one file and everything else of another. @returns It, and the other file. */
  async mixedTorrent(kind: "v2" | "hybrid"): Promise<{ torrent: string; served: string }> {
    await using swarm = await LibtorrentSwarm.start();
    const [served, other] = ["served", "other"].map((name) => this.temp.join(name)) as [string, string];
    Deno.writeFileSync(served, noise(500_000, 1));
    Deno.writeFileSync(other, noise(500_000, 2));
    const make = async (path: string) => {
      const torrent = `${path}.torrent`;
      await swarm.createTorrent({ path, torrent, pieceSize: 2 * BLOCK, kind, name: "snapshot" });
      return await truthOf(torrent, path);
    };
    const [of, instead] = [await make(served), await make(other)];
    const bytes = Deno.readFileSync(`${served}.torrent`);
    for (let at = indexOf(bytes, of.root); at >= 0; at = indexOf(bytes, of.root)) bytes.set(instead.root, at);
    bytes.set(instead.layer, indexOf(bytes, of.layer));
    Deno.writeFileSync(this.torrent, bytes);
    return { torrent: this.torrent, served };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve(this.temp[Symbol.asyncDispose]());
  }
}

/** Somebody who has that file and serves it as it is. */
async function honestPeer(torrent: string, file: string): Promise<Liar> {
  const script: Script = SCRIPTS.honestBlocks;
  return new Liar({ host: 1, script }, await truthOf(torrent, file));
}

/** A v2 info dictionary of one file, in bencoding. */
function v2(
  { name = "f", length = "100", pieceLength = BLOCK, filler = "" }: {
    name?: string;
    length?: string;
    pieceLength?: number;
    filler?: string;
  },
): string {
  const file = `d0:d6:lengthi${length}e11:pieces root32:${"r".repeat(32)}ee`;
  const tree = `9:file treed${name.length}:${name}${file}e`;
  const extra = filler === "" ? "" : `6:filler${filler.length}:${filler}`;
  return `d${tree}${extra}12:meta versioni2e4:name${name.length}:${name}12:piece lengthi${pieceLength}ee`;
}

/** Bytes that look random and are the same each time. */
function noise(length: number, key = 0): Uint8Array {
  const cipher = createCipheriv("aes-256-ctr", new Uint8Array(32).fill(key), new Uint8Array(16));
  return new Uint8Array(cipher.update(new Uint8Array(length)));
}

function indexOf(bytes: Uint8Array, wanted: Uint8Array): number {
  const [first = 0] = wanted;
  for (let at = bytes.indexOf(first); at >= 0; at = bytes.indexOf(first, at + 1)) {
    if (wanted.every((byte, i) => bytes[at + i] === byte)) return at;
  }
  return -1;
}

function latin1(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
