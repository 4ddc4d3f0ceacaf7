/// <reference path="./instructions.d.ts" />
// The inside of page_view.ts: the loops that see every node of a ledger. It is compiled to page_code.wasm, by
// AssemblyScript and by hand (`deno task wasm`), because V8 has to learn in each thread anew how to run such loops fast:
// 0.3 to 0.5 s of processor time, where a ledger of 8 GiB takes 1.4 in all. WebAssembly runs fast at once. Nothing here
// calls anything outside or takes memory; a page comes into the memory before each call, and what was found is read from
// it.
//
//   pages | found | children | bounds | keys | odd
//
//   found     eight words: number of nodes, length of all keys (-1: they differ), 1 when a value is on overflow pages;
//             then of a leaf's first key prefix, fifth byte and hash, and of its last one prefix and fifth byte
//   children  a number (f64) for each node of a branch: the page that it leads to
//   bounds    four words for each: the mark of a leaf that it leads to (page_marks.ts)
//   keys      room for two, each at most as long as a page, which bound a branch
//   odd       a byte for every second place of a page, all 0 between calls

const HEADER_BYTES: u32 = 16;
const NODE_BYTES: u32 = 8;
const BRANCH: u32 = 1;
const VALUE_ON_OVERFLOW: u32 = 1;
const PAGE_NUMBER_BYTES: u32 = 8;
const NONE: u32 = 0xffffffff;
const SIGN: u32 = 0x80000000;

/** What check() answers. */
const SOUND: u32 = 0;
const OTHER_NUMBER: u32 = 1;
const OTHER_KIND: u32 = 2;
const BAD_ROOM: u32 = 3;
const BAD_NODES: u32 = 4;
const BAD_ORDER: u32 = 5;

let pageBytes: u32 = 0;
let found: usize = 0;
let children: usize = 0;
let bounds: usize = 0;
let keys: usize = 0;
let odd: usize = 0;

/** Once, before all else: how large a page is, and where everything lies. */
export function layOut(
  ofPage: u32,
  ofFound: usize,
  ofChildren: usize,
  ofBounds: usize,
  ofKeys: usize,
  ofOdd: usize,
): void {
  pageBytes = ofPage;
  found = ofFound;
  children = ofChildren;
  bounds = ofBounds;
  keys = ofKeys;
  odd = ofOdd;
}

/**
 * Checks a page: number, kind, that nodes fill their room exactly, and where `ranks` is not 0, that keys rise by memcmp.
 *
 * They fill the room from `upper` to the page's end, with neither gap nor overlap, exactly when their lengths add up to
 * it and each place but these two is where nodes begin or end an even number of times. Seen as lines between places,
 * nodes then hold a way from `upper` to the end, as those are the only odd places; a way is at least as long as the
 * room, as long only when it never turns back, and nothing is left for any other node.
 *
 * @param page Its address, a multiple of 8.
 * @returns SOUND, or what is wrong. Only of a sound page anything is found.
 */
export function check(page: usize, number: f64, kind: u32, ranks: u32, valueFlags: u32): u32 {
  if (<f64> load<u64>(page) !== number) return OTHER_NUMBER;
  if (<u32> load<u16>(page + 10) !== kind) return OTHER_KIND;
  const lower: u32 = load<u16>(page + 12);
  const upper: u32 = load<u16>(page + 14);
  if (lower < HEADER_BYTES || lower > upper || upper > pageBytes || ((lower | upper) & 1) !== 0) {
    return BAD_ROOM;
  }
  const count: u32 = (lower - HEADER_BYTES) >> 1;
  const isBranch = kind === BRANCH;
  // Of a branch the first key is never looked at.
  const first: u32 = ranks === 0 ? count : isBranch ? 1 : 0;
  const offsets: usize = page + HEADER_BYTES;
  let room: u32 = pageBytes - upper;
  let oddPlaces: i32 = toggled(upper) + toggled(pageBytes);
  let overflow: u32 = 0;
  let rises = true;
  let differing: u32 = 0;
  let before: usize = 0;
  let beforeBytes: u32 = NONE;
  let beforePrefix: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const begin: u32 = load<u16>(offsets + 2 * i);
    if (begin < upper || begin > pageBytes - NODE_BYTES || (begin & 1) !== 0) return badNodes();
    const node: usize = page + begin;
    const keyBytes: u32 = load<u16>(node + 6);
    let bytes: u32 = NODE_BYTES + keyBytes;
    if (!isBranch) {
      const flags: u32 = load<u16>(node + 4);
      if ((flags & ~valueFlags) !== 0) return badNodes();
      const far: u32 = flags & VALUE_ON_OVERFLOW;
      overflow |= far;
      // A length near 2^32 must not wrap around.
      bytes += far !== 0 ? PAGE_NUMBER_BYTES : min<u32>(load<u32>(node), pageBytes);
    }
    bytes += bytes & 1;
    if (bytes > pageBytes - begin) return badNodes();
    room -= bytes;
    oddPlaces += toggled(begin) + toggled(begin + bytes);
    if (i < first) continue;
    const key: usize = node + NODE_BYTES;
    const prefix = prefixOf(key, keyBytes);
    if (beforeBytes !== NONE) {
      differing |= keyBytes ^ beforeBytes;
      // Most keys differ in their first four bytes.
      if (prefix < beforePrefix) rises = false;
      else if (prefix === beforePrefix && !isLess(before, beforeBytes, key, keyBytes)) rises = false;
    }
    before = key;
    beforeBytes = keyBytes;
    beforePrefix = prefix;
  }
  if (room !== 0 || oddPlaces !== 0) return badNodes();
  if (!rises) return BAD_ORDER;
  store<u32>(found, count);
  store<u32>(found + 4, differing === 0 ? beforeBytes : NONE);
  store<u32>(found + 8, overflow);
  if (!isBranch && count > 0) tellEnds(page, count);
  return SOUND;
}

/**
 * Adds up 8-byte numbers at a place of each value of a sound leaf.
 *
 * @param place At most `valueBytes` less 8.
 * @returns NaN when a value has not that length or lies elsewhere.
 */
export function sum(page: usize, count: u32, valueBytes: u32, place: u32): f64 {
  let total: f64 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const node = nodeAt(page, i);
    if (load<u32>(node) !== valueBytes || load<u16>(node + 4) !== 0) return NaN;
    total += <f64> load<u64>(keyAt(node) + keyBytesOf(node) + place);
  }
  return total;
}

/**
 * Where the nodes of a sound branch lead to, and the bounds of what is there.
 *
 * @param lowBytes Length of the lower bound of all, the first of `keys`; NONE at the tree's left side.
 * @param highBytes The same of the upper bound, the second of them.
 */
export function readBranch(page: usize, count: u32, lowBytes: u32, highBytes: u32): void {
  let prefix: u32 = 0;
  let fifth: u32 = 0;
  let hash: u32 = 0;
  if (lowBytes !== NONE) {
    prefix = prefixOf(keys, lowBytes);
    fifth = fifthOf(keys, lowBytes);
    hash = hashOf(keys, lowBytes);
  }
  for (let i: u32 = 0; i < count; i++) {
    const node = nodeAt(page, i);
    store<f64>(children + 8 * i, <f64> load<u32>(node) + <f64> load<u16>(node + 4) * 4294967296);
    const at: usize = bounds + 16 * i;
    store<u32>(at, prefix ^ SIGN);
    store<u32>(at + 8, hash);
    const lowFifth = fifth;
    if (i + 1 < count) {
      const next = nodeAt(page, i + 1);
      const keyBytes = keyBytesOf(next);
      prefix = prefixOf(keyAt(next), keyBytes);
      fifth = fifthOf(keyAt(next), keyBytes);
      hash = hashOf(keyAt(next), keyBytes);
    } else if (highBytes !== NONE) {
      prefix = prefixOf(keys + pageBytes, highBytes);
      fifth = fifthOf(keys + pageBytes, highBytes);
    } else {
      prefix = 0xffffffff;
      fifth = 0xff;
    }
    store<u32>(at + 4, prefix ^ SIGN);
    store<u32>(at + 12, (lowFifth << 8) | (fifth << 16));
  }
}

function tellEnds(page: usize, count: u32): void {
  const first = nodeAt(page, 0);
  store<u32>(found + 12, prefixOf(keyAt(first), keyBytesOf(first)) ^ SIGN);
  store<u32>(found + 16, fifthOf(keyAt(first), keyBytesOf(first)));
  store<u32>(found + 20, hashOf(keyAt(first), keyBytesOf(first)));
  const last = nodeAt(page, count - 1);
  store<u32>(found + 24, prefixOf(keyAt(last), keyBytesOf(last)) ^ SIGN);
  store<u32>(found + 28, fifthOf(keyAt(last), keyBytesOf(last)));
}

function nodeAt(page: usize, index: u32): usize {
  return page + <u32> load<u16>(page + HEADER_BYTES + 2 * index);
}

function keyAt(node: usize): usize {
  return node + NODE_BYTES;
}

function keyBytesOf(node: usize): u32 {
  return load<u16>(node + 6);
}

/** Counts a node's beginning or end at a place. @returns By how much the number of odd places has changed. */
function toggled(place: u32): i32 {
  const at: usize = odd + (place >> 1);
  const before: i32 = load<u8>(at);
  store<u8>(at, before ^ 1);
  return 1 - 2 * before;
}

/** No place is odd after a sound page; after any other they are made even again. */
function badNodes(): u32 {
  for (let place: u32 = 0; place <= pageBytes; place += 2) store<u8>(odd + (place >> 1), 0);
  return BAD_NODES;
}

/** The first four bytes as a number, zeros after the key's end. A smaller prefix is a smaller key; equal ones say nothing. */
function prefixOf(key: usize, bytes: u32): u32 {
  if (bytes >= 4) return bswap<u32>(load<u32>(key));
  let prefix: u32 = 0;
  for (let i: u32 = 0; i < bytes; i++) prefix |= <u32> load<u8>(key + i) << (24 - 8 * i);
  return prefix;
}

/** The fifth byte; 0 when there is none. */
function fifthOf(key: usize, bytes: u32): u32 {
  return bytes > 4 ? <u32> load<u8>(key + 4) : 0;
}

/** FNV-1a over words and then single bytes, 32 bits: two keys that differ in one word only never share it. */
function hashOf(key: usize, bytes: u32): u32 {
  let hash: u32 = 0x811c9dc5 ^ bytes;
  let i: u32 = 0;
  for (; i + 4 <= bytes; i += 4) hash = (hash ^ load<u32>(key + i)) * 0x01000193;
  for (; i < bytes; i++) hash = (hash ^ <u32> load<u8>(key + i)) * 0x01000193;
  return hash;
}

/** Whether the first key is less than the second by memcmp. */
function isLess(a: usize, aBytes: u32, b: usize, bBytes: u32): boolean {
  const shared: u32 = min<u32>(aBytes, bBytes);
  let i: u32 = 0;
  for (; i + 8 <= shared; i += 8) {
    const x: u64 = bswap<u64>(load<u64>(a + i));
    const y: u64 = bswap<u64>(load<u64>(b + i));
    if (x !== y) return x < y;
  }
  for (; i < shared; i++) {
    const x: u8 = load<u8>(a + i);
    const y: u8 = load<u8>(b + i);
    if (x !== y) return x < y;
  }
  return bBytes > aBytes;
}
