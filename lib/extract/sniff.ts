// What kind of archive a file is, told from its first bytes alone: a name can lie, and the stream's archive is
// called nano-ledger-snapshot.7z whatever is in it.

/** The outermost layer of an archive. */
export type Container = "7z" | "zst" | "gz" | "tar" | "ldb";

/** Bytes that `sniff` wants to see; fewer are fine, but then a tar is not recognised. */
export const SNIFF_BYTES = 512;

/** The outermost layer, or undefined when it is none that we take. */
export function sniff(head: Uint8Array): Container | undefined {
  if (startsWith(head, SEVEN_ZIP_MAGIC)) return "7z";
  if (startsWith(head, ZSTD_MAGIC) || isSkippableFrame(head)) return "zst";
  if (startsWith(head, GZIP_MAGIC)) return "gz";
  return sniffPayload(head);
}

/** What a decompressed stream, or a file that is not compressed, holds. */
export function sniffPayload(head: Uint8Array): "tar" | "ldb" | undefined {
  if (isLedgerHead(head)) return "ldb";
  if (startsWith(head.subarray(TAR_MAGIC_AT), TAR_MAGIC)) return "tar";
  return undefined;
}

/** Whether the first `LEDGER_HEAD_BYTES` of a file are those of an LMDB meta page. */
export function isLedgerHead(head: Uint8Array): boolean {
  if (head.length < LEDGER_HEAD_BYTES) return false;
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  return view.getUint16(10, true) === META_PAGE && view.getUint32(16, true) === 0xbeefc0de &&
    view.getUint32(20, true) === 1;
}

/** How many bytes `isLedgerHead` looks at: the page header, the magic and the format version. */
export const LEDGER_HEAD_BYTES = 24;

function startsWith(bytes: Uint8Array, magic: readonly number[]): boolean {
  return magic.every((byte, i) => bytes[i] === byte);
}

/** Magic 0x184D2A50 to 5F: pzstd puts such a frame before each real one (RFC 8878, 3.1.2). */
function isSkippableFrame(head: Uint8Array): boolean {
  return (head[0]! & 0xf0) === 0x50 && startsWith(head.subarray(1), [0x2a, 0x4d, 0x18]);
}

const SEVEN_ZIP_MAGIC = [0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c];
const ZSTD_MAGIC = [0x28, 0xb5, 0x2f, 0xfd];
const GZIP_MAGIC = [0x1f, 0x8b, 0x08];
const META_PAGE = 8;
/** "ustar", followed by NUL (POSIX) or a space (GNU). */
const TAR_MAGIC = [0x75, 0x73, 0x74, 0x61, 0x72];
const TAR_MAGIC_AT = 257;
