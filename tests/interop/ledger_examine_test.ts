// The examination of ledgers against files that LMDB itself has written (python3-lmdb, mdb_load, mdb_copy): nothing is
// found in sound ones, and their numbers are mdb_stat's; in each of them, whatever is broken is found, unless no reader
// would ever see it, which an account of its own (lmdb_map.ts) decides.

import assert from "node:assert/strict";
import { join } from "node:path";
import { SnapError, VerificationFailed } from "../../lib/errors.ts";
import { systemFiles } from "../../lib/io/files.ts";
import type { Examination } from "../../lib/ledger/examination.ts";
import { InlineExaminer } from "../../lib/ledger/examine.ts";
import type { Files, OpenFile } from "../../lib/ports.ts";
import { ledgerFixture } from "./ledger_fixture.ts";
import { LmdbMap, Use } from "./lmdb_map.ts";
import { mustRun, need, PYTHON, type TempDir, tempDir } from "./support.ts";

const options = { ignore: need("lmdb", "mdb_load", "mdb_stat") };
const KINDS = ["ledger", "deep", "overflow", "deleted", "empty", "dropped", "integers", "plain"] as const;
const PAGE = 4096;
/** Flipped bits in each file. */
const FLIPS = 500;

let folder: TempDir | undefined;

Deno.test.afterAll(async () => {
  await folder?.[Symbol.asyncDispose]();
});

/** Written once. */
async function pathOf(kind: string): Promise<string> {
  if (folder === undefined) {
    folder = await tempDir();
    const script = join(import.meta.dirname ?? ".", "py", "lmdb_files.py");
    await mustRun(PYTHON, ["-B", script, folder.path]);
  }
  return folder.join(`${kind}.ldb`);
}

for (const kind of KINDS) {
  Deno.test({
    ...options,
    name: `examine() finds nothing in a sound file (${kind}), and counts what mdb_stat counts`,
    fn: async () => {
      const path = await pathOf(kind);
      await assertSound(path);
      const compact = path.replace(".ldb", "-compact.ldb");
      await mustRun("mdb_copy", ["-n", "-c", path, compact]);
      await assertSound(compact);
    },
  });

  Deno.test({
    ...options,
    name: `examine() notices every flipped bit (${kind}) that a reader could see`,
    fn: async () => {
      const sound = Deno.readFileSync(await pathOf(kind));
      const map = new LmdbMap(sound);
      const places = placesByUse(map);
      const changed = sound.slice();
      const random = seeded(kind.length);
      const counts = new Map<string, number>();
      for (let i = 0; i < FLIPS; i++) {
        // Half of them where it matters most.
        const use = [
          Use.Structure,
          Use.Structure,
          Use.Key,
          Use.Either,
          Use.Value,
          Use.None,
          Use.Structure,
        ][i % 7]!;
        const candidates = places[use]!;
        if (candidates.length === 0) continue;
        const at = candidates[random(candidates.length)]!;
        const bit = random(8);
        changed[at]! ^= 1 << bit;
        const noticed = await isNoticed(changed);
        const where = `byte ${at % PAGE} of page ${Math.floor(at / PAGE)}, bit ${bit}`;
        if (use === Use.Structure) assert.ok(noticed, `${where} is structure and was not noticed`);
        if (use === Use.None || use === Use.Value) {
          assert.ok(!noticed, `${where} is no structure: ${noticed}`);
        }
        if (use === Use.Key) {
          assert.equal(noticed === undefined, map.stillStands(changed, at), `${where}: ${noticed}`);
        }
        counts.set(
          `${use} ${noticed !== undefined}`,
          (counts.get(`${use} ${noticed !== undefined}`) ?? 0) + 1,
        );
        changed[at] = sound[at]!;
      }
      assert.ok((counts.get(`${Use.Structure} true`) ?? 0) > FLIPS / 3, JSON.stringify([...counts]));
    },
  });

  Deno.test({
    ...options,
    name: `examine() notices each cut (${kind}) that takes a page in use away`,
    fn: async () => {
      const sound = Deno.readFileSync(await pathOf(kind));
      const map = new LmdbMap(sound);
      const inUse = new Set([...map.branches, ...map.leaves, ...map.overflows]);
      const pages = sound.length / PAGE;
      for (let left = pages - 1; left >= Math.max(1, pages - 40); left--) {
        const lost = Array.from({ length: pages - left }, (_, i) => left + i);
        const cut = sound.subarray(0, left * PAGE - (left % 2 === 0 ? 0 : 1));
        const found = await examined(cut).catch((error: unknown) => error);
        if (found instanceof VerificationFailed) continue;
        const { problemCount, claimedPages, pages: present } = found as Examination;
        assert.ok(present < claimedPages, `cut to ${left} pages`);
        if (lost.some((page) => inUse.has(page))) assert.ok(problemCount > 0, `cut to ${left} pages`);
      }
    },
  });

  Deno.test({
    ...options,
    name: `examine() notices links (${kind}) that loop, cross or lead to another page`,
    fn: async () => {
      const sound = Deno.readFileSync(await pathOf(kind));
      const map = new LmdbMap(sound);
      const changed = sound.slice();
      const view = new DataView(changed.buffer);
      const point = (node: number, page: number) => {
        view.setUint32(node, page, true);
        view.setUint16(node + 4, Math.floor(page / 2 ** 32), true);
      };
      for (const branch of map.branches.slice(0, 12)) {
        const nodes = map.childrenOf(branch);
        const pages = nodes.map((node) => map.child(node));
        // Itself, the root, a meta page, a free one, one after the end, a sibling, far away.
        const astray = [
          branch,
          map.branches[0]!,
          0,
          [...map.free][0] ?? 1,
          sound.length / PAGE,
          pages[1]!,
          2 ** 47,
        ];
        for (const page of astray) {
          point(nodes[0]!, page);
          assert.ok(await isNoticed(changed), `page ${branch} leads to ${page}`);
        }
        // Two children in each other's place: each page is still reached once.
        point(nodes[0]!, pages[1]!);
        point(nodes[1]!, pages[0]!);
        assert.ok(await isNoticed(changed), `children of page ${branch} are exchanged`);
        changed.set(sound);
      }
      // The same with the pages themselves: contents exchanged, each with the number that its place wants.
      for (const list of [map.leaves, map.branches]) {
        const [a, b] = [list[0], list.at(-1)];
        if (a === undefined || b === undefined || a === b) continue;
        for (const [from, to] of [[a, b], [b, a]] as const) {
          changed.set(sound.subarray(from * PAGE + 8, (from + 1) * PAGE), to * PAGE + 8);
        }
        assert.ok(await isNoticed(changed), `pages ${a} and ${b} are exchanged`);
        changed.set(sound);
      }
    },
  });
}

Deno.test({
  ...options,
  name:
    "examine() counts blocks and cemented heights over a ledger by mdb_load, also when asked for these tables only",
  fn: async () => {
    const { path, facts } = await ledgerFixture(20_000);
    for (const tables of ["all", ["accounts", "confirmation_height"]] as const) {
      const found = await examinedAt(path, tables);
      assert.deepEqual(found.problems, []);
      assert.equal(found.accountBlocks, facts.blockCount);
      assert.equal(found.cementedCount, facts.cementedCount);
      assert.equal(found.tables.length, tables === "all" ? 4 : 2);
    }
  },
});

Deno.test({
  ...options,
  name: "examine() refuses tables of duplicates, which no Nano ledger has, and checks the others",
  fn: async () => {
    const found = await examinedAt(await pathOf("duplicates"));
    assert.equal(found.problemCount, 2);
    for (const { text } of found.problems) assert.match(text, /several values for a key/);
  },
});

async function assertSound(path: string): Promise<void> {
  const found = await examinedAt(path);
  assert.deepEqual(found.problems, []);
  assert.equal(found.problemCount, 0);
  assert.equal(found.lostPages, 0);
  const { stdout } = await mustRun("mdb_stat", ["-n", "-e", "-f", "-a", path]);
  const number = (text: string, name: string) => Number(new RegExp(`${name}: (\\d+)`).exec(text)?.[1]);
  assert.equal(found.claimedPages, number(stdout, "Number of pages used"));
  assert.equal(found.freePages, number(stdout, "Free pages"));
  const status = [...stdout.matchAll(/^Status of (.+)\n((?: {2}.+\n?)+)/gm)].slice(1);
  assert.deepEqual(
    found.tables,
    status.map(([, name = "", lines = ""]) => ({
      name,
      depth: number(lines, "Tree depth"),
      branchPages: number(lines, "Branch pages"),
      leafPages: number(lines, "Leaf pages"),
      overflowPages: number(lines, "Overflow pages"),
      entries: number(lines, "Entries"),
      problems: 0,
    })),
  );
}

/** What is said of a file with these bytes; undefined when all is well. */
async function isNoticed(bytes: Uint8Array): Promise<string | undefined> {
  try {
    const { problems, lostPages, claimedPages, pages } = await examined(bytes);
    if (problems.length > 0) return problems[0]!.text;
    if (lostPages !== 0) return `${lostPages} pages are lost`;
    return claimedPages === pages ? undefined : `${pages} of ${claimedPages} pages`;
  } catch (error) {
    assert.ok(error instanceof SnapError, String(error));
    return error.message;
  }
}

function examined(bytes: Uint8Array): Promise<Examination> {
  return examinedAt("data.ldb", "all", { open: () => memoryFile(bytes) } as unknown as Files);
}

function examinedAt(path: string, tables: "all" | readonly string[] = "all", files: Files = systemFiles) {
  const { signal } = new AbortController();
  return new InlineExaminer(files).examine({ path, tables, signal, onProgress: () => {} });
}

function memoryFile(bytes: Uint8Array): OpenFile {
  return {
    path: "data.ldb",
    readAt(into: Uint8Array, at: number) {
      const part = bytes.subarray(at, at + into.length);
      into.set(part);
      return part.length;
    },
    facts: () => ({ size: bytes.length }),
    close: () => {},
  } as unknown as OpenFile;
}

function placesByUse({ uses }: LmdbMap): number[][] {
  const places: number[][] = [[], [], [], [], []];
  uses.forEach((use, at) => places[use]!.push(at));
  return places;
}

/** Numbers below `end`, the same each time. */
function seeded(seed: number): (end: number) => number {
  let state = seed + 1;
  return (end) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor(state / 2 ** 32 * end);
  };
}
