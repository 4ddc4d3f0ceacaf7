// What one thread finds out before any number of them can go on: the meta pages, the free list, the tables' names and
// the upper branches of their trees, down to subtrees that are small enough to be shared out.

import { parseUtf8, toHex } from "../bytes.ts";
import { VerificationFailed } from "../errors.ts";
import type { OpenFile } from "../ports.ts";
import { ExaminedFile, FREE_LIST, MAIN, type TableShape } from "./examined_file.ts";
import type { ExaminationJob } from "./examination.ts";
import { FreeList } from "./free_list.ts";
import {
  DUPLICATE_FLAGS,
  INTEGER_KEYS,
  REVERSE_KEYS,
  VALUE_IS_TABLE,
  VALUE_ON_OVERFLOW,
} from "./lmdb_format.ts";
import { LmdbPages } from "./lmdb_pages.ts";
import { MAX_TABLES, PageMarks } from "./page_marks.ts";
import type { PageView } from "./page_view.ts";
import { rootOf, type Subtree, TreeWalk } from "./tree_walk.ts";

/** What is to be done by the threads, and what was found so far. */
export interface Plan {
  readonly examined: ExaminedFile;
  /** To be walked, in any order and by any thread. */
  readonly subtrees: readonly Subtree[];
  /** undefined when the free list was not asked for. */
  readonly freePages: number | undefined;
}

/** Blocking: the free list, and some thousand pages at most. @throws {VerificationFailed} When its beginnings cannot be read. */
export function planExamination(file: OpenFile, wanted: ExaminationJob["tables"]): Plan {
  const pages = new LmdbPages(file);
  const { meta } = pages;
  const present = Math.min(meta.lastPage + 1, Math.floor(file.facts().size / meta.pageSize));
  const ownTables: TableShape[] = [
    // Its record's flags also hold the environment's.
    { name: "free list", record: { ...meta.free, flags: INTEGER_KEYS }, keyBytes: 8, addUp: undefined },
    { name: "tables", record: meta.main, keyBytes: undefined, addUp: undefined },
  ];
  const examined = new ExaminedFile(file, meta, ownTables, PageMarks.for(present, file.path));
  const walk = new TreeWalk(examined);
  const freeList = new FreeList(examined);
  const isWhole = wanted === "all";
  if (isWhole) {
    for (const root of rootOf(examined, FREE_LIST)) {
      walk.walk(root, (view) => freeList.take(view));
    }
  }
  for (const shape of tablesOf(examined, walk, pages)) {
    if (isWhole || wanted.includes(shape.name)) examined.addTable(shape);
  }
  const subtrees = examined.tables.flatMap((_, table) =>
    table > MAIN ? lowSubtrees(examined, walk, table) : []
  );
  return { examined, subtrees, freePages: isWhole ? freeList.pages : undefined };
}

/** The named tables, in the order of their names. */
function tablesOf(examined: ExaminedFile, walk: TreeWalk, pages: LmdbPages): TableShape[] {
  const found: TableShape[] = [];
  if (!isPlain(examined, MAIN)) return found;
  for (const root of rootOf(examined, MAIN)) {
    walk.walk(root, (view) => {
      found.push(...tablesIn(view, examined, pages));
      if (found.length <= MAX_TABLES - examined.tables.length) return;
      throw new VerificationFailed(
        `Cannot check ${examined.file.path}: it has more than ${MAX_TABLES} tables`,
      );
    });
  }
  // Leaves are met in any order.
  return found.sort((a, b) => a.name < b.name ? -1 : 1);
}

function tablesIn(view: PageView, examined: ExaminedFile, pages: LmdbPages): TableShape[] {
  const found: TableShape[] = [];
  for (let i = 0; i < view.count; i++) {
    const flags = view.valueFlags(i);
    const at = view.valueAt(i);
    const bytes = view.valueLength(i);
    if (flags === VALUE_ON_OVERFLOW) {
      const first = Number(view.data.getBigUint64(at, true));
      examined.reachValue(MAIN, first, bytes);
    } else if (flags !== 0) {
      const name = nameOf(view.key(i));
      try {
        if (flags !== VALUE_IS_TABLE) throw new VerificationFailed("it is on an overflow page");
        const record = pages.record(view.bytes.subarray(at, at + bytes));
        found.push({ name, record, keyBytes: KEY_BYTES[name], addUp: ADDED_UP[name] });
      } catch (error) {
        if (!(error instanceof VerificationFailed)) throw error;
        examined.problem(MAIN, undefined, `the record of table ${name} cannot be read`);
      }
    }
  }
  return found;
}

/** Whether it is a table as a Nano ledger has them: one value for each key. */
function isPlain(examined: ExaminedFile, table: number): boolean {
  const { flags } = examined.tables[table]!.record;
  if ((flags & ~(DUPLICATE_FLAGS | REVERSE_KEYS | INTEGER_KEYS)) !== 0) {
    examined.problem(table, undefined, `its record has unknown flags ${flags}`);
  } else if ((flags & DUPLICATE_FLAGS) !== 0) {
    examined.problem(
      table,
      undefined,
      "it has several values for a key, as no Nano ledger has: it is not checked",
    );
  } else return true;
  return false;
}

/** The subtrees whose children's children are leaves, or the whole tree where it is lower than that. */
function lowSubtrees(examined: ExaminedFile, walk: TreeWalk, table: number): Subtree[] {
  if (!isPlain(examined, table)) return [];
  const { depth } = examined.tables[table]!.record;
  let subtrees = rootOf(examined, table);
  for (let level = 1; level < depth - 2; level++) {
    const below: Subtree[] = [];
    for (const one of subtrees) {
      below.push(...walk.visit(one));
      if (below.length <= examined.marks.pages) continue;
      // Each would be kept until it is found to be reached twice.
      examined.problem(table, undefined, "its branches lead to more pages than the file has");
      return [];
    }
    subtrees = below;
  }
  return subtrees;
}

/** As text that can be shown: a name is a stranger's. */
function nameOf(key: Uint8Array): string {
  const text = parseUtf8(key);
  if (text !== undefined && /^[\x20-\x7e]{1,64}$/.test(text)) return text;
  return `0x${toHex(key.subarray(0, 32))}`;
}

/** Accounts and hashes, and in `pending` one after the other (upstream.md 10). */
const KEY_BYTES: Readonly<Record<string, number>> = {
  accounts: 32,
  blocks: 32,
  confirmation_height: 32,
  pending: 64,
};

/** Where a node's tables keep what only a count of all gives (upstream.md 10). */
const ADDED_UP: Readonly<Record<string, TableShape["addUp"]>> = {
  // block_count, behind head, representative, open block, balance and time of the last change
  accounts: { valueBytes: 129, at: 120 },
  // height, before the frontier
  confirmation_height: { valueBytes: 40, at: 0 },
};
