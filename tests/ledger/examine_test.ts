// Trees by hand: what LMDB would never write, pages that are not 4096 bytes, files too large to be made. Files by LMDB
// itself, and every way to break them: tests/interop/ledger_examine_test.ts.

import assert from "node:assert/strict";
import { utf8 } from "../../lib/bytes.ts";
import { OperationFailed, VerificationFailed } from "../../lib/errors.ts";
import type { Examination, ExaminationProgress } from "../../lib/ledger/examination.ts";
import { InlineExaminer } from "../../lib/ledger/examine.ts";
import { MAX_PROBLEMS } from "../../lib/ledger/findings.ts";
import type { Files, OpenFile } from "../../lib/ports.ts";
import {
  branchPage,
  fileOf,
  leafPage,
  metaPage,
  PAGE,
  record,
  sparseFile,
  type Tree,
} from "./lmdb_builder.ts";

const none = new Uint8Array(0);
const EMPTY: Tree = { depth: 0, root: undefined };

Deno.test("examine() reaches pages after 4 GiB, and reads nothing between them", async () => {
  const far = 1_200_000; // at 4.9 GB
  const size = 4096;
  const table = record({ depth: 2, branchPages: 1, leafPages: 2, entries: 2, root: far });
  const pages = new Map([
    [2, leafPage(2, [{ key: utf8("t"), data: table, flags: 2 }], size)],
    [far, branchPage(far, [{ key: none, data: far + 1 }, { key: utf8("m"), data: 3 }], size)],
    [far + 1, leafPage(far + 1, [{ key: utf8("a"), data: utf8("x") }], size)],
    [3, leafPage(3, [{ key: utf8("m"), data: utf8("x") }], size)],
  ]);
  const main = { depth: 1, leafPages: 1, entries: 1, root: 2 };
  const meta = metaPage({ lastPage: far + 1, main, pageSize: size });
  const head = new Map([[0, meta], [1, meta], ...pages]);
  let read = 0;
  const file = sparseFile(head, (far + 2) * size, size);
  const counting: OpenFile = {
    ...file,
    readAt(into, at) {
      read += into.length;
      return file.readAt(into, at);
    },
  };
  const found = await examined(counting);
  assert.deepEqual(found.problems, []);
  assert.equal(found.lostPages, far - 4);
  assert.deepEqual(found.tables, [
    { name: "t", depth: 2, branchPages: 1, leafPages: 2, overflowPages: 0, entries: 2, problems: 0 },
  ]);
  assert.ok(read < 200_000, `${read} bytes were read`);
});

Deno.test("examine() says for each broken link which page it is", async () => {
  const cases: [child: number, why: RegExp][] = [
    [2, /^page 2 is reached twice$/],
    [3, /^page 3 is reached twice$/], // the branch itself
    [0, /^page 0 is needed and is not among the file's 7$/],
    [7, /^page 7 is needed and is not among/],
    [5, /^page 5 is in use and on the free list$/],
  ];
  for (const [child, why] of cases) {
    const found = await examined(tree({ children: [4, child] }));
    assert.ok(
      found.problems.some(({ text }) => why.test(text)),
      `${child}: ${JSON.stringify(found.problems)}`,
    );
    assert.equal(found.lostPages, undefined);
  }
});

Deno.test("examine() sees a tree that ends too early or goes on too long", async () => {
  for (
    const [depth, why] of [[1, /page 3 is a branch, not a leaf/], [
      3,
      /page 4 is a leaf, not a branch/,
    ]] as const
  ) {
    const found = await examined(tree({ depth }));
    assert.match(found.problems[0]!.text, why);
  }
  for (const depth of [0, 33, 0xffff]) {
    assert.match((await examined(tree({ depth }))).problems[0]!.text, new RegExp(`claims ${depth} levels`));
  }
});

Deno.test("examine() compares each count of a record with what it found", async () => {
  const wrong: [keyof Tree, RegExp][] = [
    ["entries", /counts 9 entries, there are 2$/],
    ["branchPages", /counts 9 branch pages, there are 1$/],
    ["leafPages", /counts 9 leaf pages, there are 2$/],
    ["overflowPages", /counts 9 overflow pages, there are 0$/],
  ];
  for (const [count, why] of wrong) {
    const { problems, problemCount } = await examined(tree({ record: { [count]: 9 } }));
    assert.equal(problemCount, 1);
    assert.equal(problems[0]!.table, "t");
    assert.match(problems[0]!.text, why);
  }
});

Deno.test("examine() keeps keys between those of the branches above them, to the last byte", async () => {
  // Long common beginnings: five bytes and a hash cannot tell, the whole keys must.
  const key = (end: string) => utf8(`the same beginning ${end}`);
  const check = async (left: string, right: string) => {
    const { problems } = await examined(tree({ keys: [key(left), key(right)], separator: key("m") }));
    return problems.map(({ text }) => text);
  };
  assert.deepEqual(await check("a", "m"), []);
  assert.deepEqual(await check("a", "n"), []);
  assert.deepEqual(await check("l", "z"), []);
  assert.deepEqual(await check("m", "n"), ["page 4 has keys that belong elsewhere"]);
  assert.deepEqual(await check("a", "l"), ["page 5 has keys that belong elsewhere"]);
  const short = await examined(tree({ keys: [utf8("n"), utf8("a")], separator: utf8("m") }));
  assert.deepEqual(short.problems.map(({ text }) => text), [
    "page 4 has keys that belong after it",
    "page 5 has keys that belong before it",
  ]);
});

Deno.test("examine() names the first problems only, and counts all", async () => {
  const leaves = Array.from({ length: 100 }, (_, i) => i + 4);
  const nodes = leaves.map((page, i) => ({ key: i === 0 ? none : new Uint8Array([i]), data: page }));
  const size = 4096;
  const table = record({ depth: 2, branchPages: 1, leafPages: 100, entries: 100, root: 3 });
  const pages = new Map([
    [2, leafPage(2, [{ key: utf8("t"), data: table, flags: 2 }], size)],
    [3, branchPage(3, nodes, size)],
  ]);
  const meta = metaPage({
    lastPage: 103,
    main: { depth: 1, leafPages: 1, entries: 1, root: 2 },
    pageSize: size,
  });
  const file = sparseFile(new Map([[0, meta], [1, meta], ...pages]), 104 * size, size);
  const { problems, problemCount } = await examined(file);
  assert.equal(problems.length, MAX_PROBLEMS);
  assert.equal(problemCount, 100);
});

Deno.test("examine() refuses files that are no LMDB, and more tables than a mark can name", async () => {
  await assert.rejects(examined(fileOf(new Uint8Array(PAGE))), VerificationFailed);
  const size = 1 << 15;
  const nodes = Array.from({ length: 260 }, (_, i) => ({
    key: utf8(String(i).padStart(3, "0")),
    data: record(EMPTY),
    flags: 2,
  }));
  const meta = metaPage({
    lastPage: 2,
    main: { depth: 1, leafPages: 1, entries: 260, root: 2 },
    pageSize: size,
  });
  const file = sparseFile(new Map([[0, meta], [1, meta], [2, leafPage(2, nodes, size)]]), 3 * size, size);
  await assert.rejects(examined(file), /it has more than 250 tables/);
});

Deno.test("examine() keeps no more tables and branches than there can be", async () => {
  const size = 1 << 15;
  const page = (number: number) => {
    const keys = Array.from({ length: 260 }, (_, i) => utf8(String(1000 * number + i)));
    return leafPage(number, keys.map((key) => ({ key, data: record(EMPTY), flags: 2 })), size);
  };
  const many = { depth: 2, branchPages: 1, leafPages: 2, entries: 520, root: 2 };
  const meta = metaPage({ lastPage: 4, main: many, pageSize: size });
  const root = branchPage(2, [{ key: none, data: 3 }, { key: utf8("4000"), data: 4 }], size);
  const file = sparseFile(new Map([[0, meta], [1, meta], [2, root], [3, page(3)]]), 5 * size, size);
  const readAt = (into: Uint8Array, at: number) => {
    assert.notEqual(at, 4 * size, "it is known by then");
    return file.readAt(into, at);
  };
  await assert.rejects(examined({ ...file, readAt }), /it has more than 250 tables/);

  const wide = (number: number, from: number) => {
    const keys = Array.from({ length: 6 }, (_, i) => new Uint8Array([from + i]));
    return branchPage(number, keys.map((key, i) => ({ key: i === 0 ? none : key, data: 3 })));
  };
  const table = record({ depth: 5, branchPages: 3, leafPages: 0, entries: 0, root: 3 });
  const found = await examined(fileOf(
    ...Array(2).fill(metaPage({ lastPage: 5, main: { depth: 1, leafPages: 1, entries: 1, root: 2 } })),
    leafPage(2, [{ key: utf8("t"), data: table, flags: 2 }]),
    branchPage(3, [{ key: none, data: 4 }, { key: new Uint8Array([100]), data: 5 }]),
    wide(4, 1),
    wide(5, 100),
  ));
  assert.deepEqual(found.problems.map(({ text }) => text), [
    "its branches lead to more pages than the file has",
  ]);
});

Deno.test("examine() does not judge a file that is written to meanwhile", async () => {
  const file = tree({});
  const changed = metaPage({ txn: 9, lastPage: 5, main: EMPTY });
  let isChanged = false;
  const readAt = (into: Uint8Array, at: number) => {
    if (!isChanged || at !== PAGE) return file.readAt(into, at);
    into.set(changed.subarray(0, into.length));
    return into.length;
  };
  const examiner = new InlineExaminer({ open: () => ({ ...file, readAt }) } as unknown as Files);
  const onProgress = () => void (isChanged = true);
  const { signal } = new AbortController();
  await assert.rejects(
    examiner.examine({ path: "data.ldb", tables: "all", signal, onProgress }),
    (error) =>
      error instanceof OperationFailed && /it was written to meanwhile; stop the node/.test(error.message),
  );
});

Deno.test("examine() ends with the signal's reason, and tells how far it is", async () => {
  const stop = new AbortController();
  const told: ExaminationProgress[] = [];
  const examiner = new InlineExaminer({ open: () => tree({}) } as unknown as Files);
  const job = { path: "data.ldb", tables: "all", signal: stop.signal } as const;
  await examiner.examine({ ...job, onProgress: (progress) => told.push(progress) });
  assert.deepEqual(told.map(({ stage }) => stage), ["branches", "pages"]);
  assert.deepEqual(told.at(-1), { stage: "pages", doneBytes: 6 * PAGE, totalBytes: 6 * PAGE });
  const onProgress = () => stop.abort(new Error("enough"));
  await assert.rejects(examiner.examine({ ...job, onProgress }), /enough/);
});

/** Table "t": a branch, page 3, and two leaves, pages 4 and 5. With other children, page 5 is on the free list. */
function tree(changes: {
  children?: [number, number];
  depth?: number;
  record?: Partial<Tree>;
  keys?: [Uint8Array, Uint8Array];
  separator?: Uint8Array;
}): OpenFile {
  const { children = [4, 5], depth = 2, keys = [utf8("a"), utf8("m")], separator = utf8("m") } = changes;
  const counts = { branchPages: 1, leafPages: 2, entries: 2 };
  const table = record({ ...counts, depth, root: 3, ...changes.record });
  const isFree = changes.children !== undefined;
  const freePages = new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0]);
  const meta = metaPage({
    lastPage: isFree ? 6 : 5,
    main: { depth: 1, leafPages: 1, entries: 1, root: 2 },
    free: isFree ? { depth: 1, leafPages: 1, entries: 1, root: 6 } : EMPTY,
  });
  return fileOf(
    meta,
    meta,
    leafPage(2, [{ key: utf8("t"), data: table, flags: 2 }]),
    branchPage(3, [{ key: none, data: children[0] }, { key: separator, data: children[1] }]),
    leafPage(4, [{ key: keys[0], data: utf8("x") }]),
    leafPage(5, [{ key: keys[1], data: utf8("y") }]),
    ...(isFree ? [leafPage(6, [{ key: new Uint8Array(8), data: freePages }])] : []),
  );
}

function examined(file: OpenFile): Promise<Examination> {
  const { signal } = new AbortController();
  const examiner = new InlineExaminer({ open: () => file } as unknown as Files);
  return examiner.examine({ path: "data.ldb", tables: "all", signal, onProgress: () => {} });
}
