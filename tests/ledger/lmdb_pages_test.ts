import assert from "node:assert/strict";
import { utf8 } from "../../lib/bytes.ts";
import { VerificationFailed } from "../../lib/errors.ts";
import { LmdbPages } from "../../lib/ledger/lmdb_pages.ts";
import { branchPage, fileOf, leafPage, metaPage, PAGE, record } from "./lmdb_builder.ts";

const EMPTY = { depth: 0, root: undefined };
const none = new Uint8Array(0);

Deno.test("LmdbPages takes the meta page with the higher transaction, whichever it is", () => {
  const older = metaPage({ txn: 8, lastPage: 5, main: EMPTY });
  const newer = metaPage({ txn: 9, lastPage: 7, main: EMPTY });
  for (const file of [fileOf(older, newer), fileOf(newer, older)]) {
    const { meta } = new LmdbPages(file);
    assert.deepEqual([meta.transaction, meta.lastPage, meta.pageSize, meta.mapSize], [9, 7, PAGE, 2 ** 30]);
  }
});

Deno.test("LmdbPages refuses what has no sound meta pages", () => {
  const good = metaPage({ lastPage: 1, main: EMPTY });
  const changed = (at: number, value: number) => {
    const page = good.slice();
    page[at] = value;
    return page;
  };
  refused(() => new LmdbPages(fileOf()), /too short/);
  refused(() => new LmdbPages(fileOf(good)), /too short/);
  refused(() => new LmdbPages(fileOf(changed(16, 0), good)), /no LMDB file/);
  refused(() => new LmdbPages(fileOf(good, changed(16, 0))), /no LMDB file/);
  refused(() => new LmdbPages(fileOf(changed(20, 2), good)), /format is 2, not 1/);
  for (const pageSize of [0, 1, 256, 513, 1 << 16, 2 ** 31]) {
    const odd = metaPage({ lastPage: 1, main: EMPTY, pageSize });
    refused(() => new LmdbPages(fileOf(odd, good)), /is impossible/);
  }
  refused(() => new LmdbPages(fileOf(changed(150, 0xff), good)), /a count of \d+ is impossible/);
});

Deno.test("get() finds each key through branch pages, and none between", () => {
  const keys = ["b", "d", "f", "h", "j", "l"].map(utf8);
  const leaf = (page: number, ...at: number[]) => {
    return leafPage(page, at.map((i) => ({ key: keys[i]!, data: new Uint8Array([i]) })));
  };
  const pages = open(
    { depth: 2, root: 2 },
    branchPage(2, [{ key: none, data: 3 }, { key: utf8("f"), data: 4 }, { key: utf8("j"), data: 5 }]),
    leaf(3, 0, 1),
    leaf(4, 2, 3),
    leaf(5, 4, 5),
  );
  keys.forEach((key, i) => assert.deepEqual(pages.get(pages.meta.main, key)?.data, new Uint8Array([i])));
  for (const key of ["", "a", "c", "e", "ff", "i", "k", "z"]) {
    assert.equal(pages.get(pages.meta.main, utf8(key)), undefined, key);
  }
});

Deno.test("table() gives a named table's record, and nothing for a plain value of that name", () => {
  const table = record({ depth: 3, entries: 77, root: 2 });
  const pages = open(
    { depth: 1, root: 2 },
    leafPage(2, [{ key: utf8("accounts"), data: table, flags: 2 }, { key: utf8("blocks"), data: table }]),
  );
  assert.equal(pages.table(utf8("accounts"))?.entries, 77);
  assert.equal(pages.table(utf8("blocks")), undefined);
  assert.equal(pages.table(utf8("pruned")), undefined);
});

Deno.test("get() ends on trees that loop, are deeper than they say, or lead nowhere", () => {
  const loop = open({ depth: 60_000, root: 2 }, branchPage(2, [{ key: none, data: 2 }]));
  refused(() => loop.get(loop.meta.main, utf8("a")), /deeper than/);
  const deeper = open({ depth: 1, root: 2 }, branchPage(2, [{ key: none, data: 3 }]), leafPage(3, []));
  refused(() => deeper.get(deeper.meta.main, utf8("a")), /deeper than the 1 levels/);
  for (const child of [0, 1, 4, 2 ** 31]) {
    const astray = open({ depth: 2, root: 2 }, branchPage(2, [{ key: none, data: child }]));
    refused(() => astray.get(astray.meta.main, utf8("a")), /is not among its|lies after its end/);
  }
});

Deno.test("get() ends after 2000 pages, however many lookups they were", () => {
  const pages = open({ depth: 1, root: 2 }, leafPage(2, []));
  for (let i = 0; i < 2000; i++) pages.get(pages.meta.main, utf8("a"));
  refused(() => pages.get(pages.meta.main, utf8("a")), /more than 2000 pages/);
});

Deno.test("get() refuses pages of another kind, number or with bounds outside them", () => {
  const good = leafPage(2, [{ key: utf8("a"), data: utf8("x") }]);
  const node = new DataView(good.buffer).getUint16(16, true);
  const cases: [at: number, u16: number][] = [
    [0, 3], // another page's number
    [10, 3], // branch and leaf
    [10, 4], // overflow
    [10, 8], // meta
    [12, 14], // lower before the header's end
    [12, 19], // odd
    [12, PAGE], // lower after upper
    [14, PAGE + 2], // upper after the page's end
    [16, 0], // a node inside the header
    [16, PAGE - 6], // a node after the page's end
    [node + 6, PAGE], // a key after the page's end
    [node, PAGE], // a value after the page's end
    [node + 2, 1], // the same, by the length's high half
  ];
  for (const [at, value] of cases) {
    const page = good.slice();
    new DataView(page.buffer).setUint16(at, value, true);
    const pages = open({ depth: 1, root: 2 }, page);
    refused(() => pages.get(pages.meta.main, utf8("a")), /page 2 is damaged/);
  }
});

Deno.test("get() knows no order but that of bytes", () => {
  for (const flags of [2, 8]) {
    const pages = open({ depth: 1, root: 2, flags }, leafPage(2, [{ key: utf8("a"), data: utf8("x") }]));
    assert.equal(pages.get(pages.meta.main, utf8("a")), undefined);
  }
});

function open(main: Parameters<typeof metaPage>[0]["main"], ...pages: Uint8Array[]): LmdbPages {
  const meta = metaPage({ lastPage: Math.max(3, pages.length + 1), main });
  return new LmdbPages(fileOf(meta, meta, ...pages));
}

function refused(act: () => unknown, why: RegExp): void {
  assert.throws(act, (error: unknown) => {
    assert.ok(error instanceof VerificationFailed, String(error));
    assert.match(error.message, why);
    return true;
  });
}
