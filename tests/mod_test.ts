// The library's face: what a user of mod.ts finds there is documented, its examples are TypeScript that holds, and the
// parts of them that need no network do what they say.

import assert from "node:assert/strict";
import { join } from "node:path";
import {
  EMBEDDED_AUTHORITY,
  encode,
  encodeTorrent,
  formatMagnet,
  get,
  type GetOptions,
  Interrupted,
  parseHex,
  parseMagnet,
  parsePointer,
  parseTorrent,
  PathUnusable,
  pointerHex,
  publicKeyOf,
  signItem,
  SnapError,
  SystemMachine,
  toHex,
  utf8,
  verifyItem,
} from "../mod.ts";

const ROOT = join(import.meta.dirname ?? ".", "..");
const MOD = join(ROOT, "mod.ts");

Deno.test("mod.ts documents every symbol that it exports, and itself", async () => {
  const { nodes } = JSON.parse(await deno(["doc", "--json", MOD]));
  const [face] = Object.values<Face>(nodes);
  assert.ok(face !== undefined && face.symbols.length > 50);
  assert.match(face.module_doc?.doc ?? "", /as a library/);
  const silent = face.symbols.filter(({ declarations }) => !declarations.some(({ jsDoc }) => jsDoc?.doc));
  assert.deepEqual(silent.map(({ name }) => name), []);
});

Deno.test("mod.ts: its examples check against it", async () => {
  const source = Deno.readTextFileSync(MOD);
  const examples = [...source.matchAll(/^ \* ```ts\n([\s\S]*?)^ \* ```$/gm)]
    .map(([, body = ""]) => body.replaceAll(/^ \* ?/gm, ""));
  assert.equal(examples.length, 2);
  const folder = Deno.makeTempDirSync();
  try {
    const files = examples.map((example, i) => {
      const path = join(folder, `example_${i}.ts`);
      Deno.writeTextFileSync(path, example.replaceAll('"./mod.ts"', JSON.stringify(`file://${MOD}`)));
      return path;
    });
    await deno(["check", "--quiet", "--config", join(ROOT, "deno.json"), ...files]);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("get() rejects with what it is stopped for, and with a SnapError for what cannot be", async () => {
  const folder = Deno.makeTempDirSync();
  try {
    const options: GetOptions = { ...OFFLINE, dataDir: join(folder, "data") };
    const machine = new SystemMachine("mod_test 1.0");
    const phases: string[] = [];
    const stopped = new Interrupted("SIGINT", "Stopped before it began");
    await assert.rejects(
      get(
        options,
        machine,
        (event) => event.kind === "phase" && phases.push(event.phase),
        AbortSignal.abort(stopped),
      ),
      stopped,
    );
    assert.equal(phases.at(-1), "stopped");
    const source = { kind: "torrent", path: join(folder, "no.torrent") } as const;
    const refused = await get({ ...options, source }, machine, () => {}, new AbortController().signal)
      .catch((error) => error);
    assert.ok(refused instanceof PathUnusable && refused instanceof SnapError);
    assert.deepEqual([refused.code, refused.exitCode], ["path_unusable", 6]);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("a magnet and a .torrent file go through parse and encode unchanged", () => {
  const link = `magnet:?xt=urn:btmh:1220${"ab".repeat(32)}&dn=a.7z`;
  const magnet = parseMagnet(link);
  assert.equal(magnet.infoHashV2 && toHex(magnet.infoHashV2), "ab".repeat(32));
  assert.equal(formatMagnet(magnet), link);
  const bytes = Deno.readFileSync(join(ROOT, "tests", "vectors", "torrents", "v2_only.torrent"));
  const { info, pieceLayers, trackers } = parseTorrent(bytes);
  const again = parseTorrent(encodeTorrent({ infoBytes: info.bytes, pieceLayers, trackers }));
  assert.equal(info.kind, "v2");
  assert.deepEqual(again.info, info);
  assert.deepEqual(again.pieceLayers, pieceLayers);
});

Deno.test("a pointer that is signed here verifies, and not under another seq", () => {
  const seed = new Uint8Array(32).fill(7);
  const unsigned = {
    publicKey: publicKeyOf(seed),
    salt: utf8("daily"),
    seq: 3,
    value: encode(parseHex("cd".repeat(32))!),
  };
  const item = { ...unsigned, signature: signItem(seed, unsigned) };
  assert.equal(verifyItem(item), true);
  assert.equal(verifyItem({ ...item, seq: 4 }), false);
  assert.equal(pointerHex(parsePointer(item.value)!), "cd".repeat(32));
});

/** The first example's options, kept on this machine. */
const OFFLINE: GetOptions = {
  authorityKey: parseHex(EMBEDDED_AUTHORITY)!,
  salt: utf8("daily"),
  dataDir: "nano-data",
  source: undefined,
  extract: true,
  keepArchive: false,
  force: false,
  port: 0,
  bind: ["127.0.0.1"],
  dht: { enabled: true, bootstrap: [] },
  peers: [],
  trackers: [],
  useTrackers: false,
  maxPeers: 10,
  downLimit: undefined,
  upLimit: undefined,
  discoverTimeoutMs: 1000,
  stallTimeoutMs: 0,
};

interface Face {
  readonly module_doc?: { readonly doc?: string };
  readonly symbols: readonly {
    readonly name: string;
    readonly declarations: readonly { readonly jsDoc?: { readonly doc?: string } }[];
  }[];
}

/** What deno says on stdout; it must end with 0. */
async function deno(args: readonly string[]): Promise<string> {
  const options = { args: [...args], cwd: ROOT, env: { NO_COLOR: "1" } };
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), options).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}
