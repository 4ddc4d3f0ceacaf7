/**
 * nano-snap as a library: what the command line uses, without the command line.
 *
 * `get` is the whole job of `nano-snap get`: the newest snapshot by an authority's key, fetched from BitTorrent peers,
 * verified, unpacked. It prints nothing and never ends the process: progress comes as events, a failure as a
 * `SnapError` with the exit code that the program would have ended with. It runs under Deno; `SystemMachine` is the
 * computer that it works with, and a test can give it another.
 *
 * @example The newest ledger of the OpenRai stream, as `./nano-data/data.ldb`
 * ```ts
 * import { EMBEDDED_AUTHORITY, get, type GetOptions, parseHex, SnapError, SystemMachine, utf8 } from "./mod.ts";
 *
 * const options: GetOptions = {
 *   authorityKey: parseHex(EMBEDDED_AUTHORITY)!,
 *   salt: utf8("daily"),
 *   dataDir: "nano-data",
 *   source: undefined, // the authority's newest; or { kind: "magnet", text: "magnet:?xt=..." }
 *   extract: true,
 *   keepArchive: false,
 *   force: false,
 *   port: 6881,
 *   bind: [],
 *   dht: { enabled: true, bootstrap: undefined },
 *   peers: [],
 *   trackers: [],
 *   useTrackers: true,
 *   maxPeers: 100,
 *   downLimit: undefined,
 *   upLimit: undefined,
 *   discoverTimeoutMs: 120_000,
 *   stallTimeoutMs: 0,
 * };
 *
 * // When `stop` aborts, what is whole is kept, and the next call goes on from there.
 * export async function fetchLedger(stop: AbortSignal): Promise<string | undefined> {
 *   try {
 *     const { path } = await get(options, new SystemMachine("my-program 1.0"), (event) => {
 *       if (event.kind === "transfer") console.log(event.progress.doneBytes, event.progress.totalBytes);
 *     }, stop);
 *     return path;
 *   } catch (error) {
 *     if (!(error instanceof SnapError)) throw error;
 *     console.error(error.code, error.exitCode, error.message);
 *     return undefined;
 *   }
 * }
 * ```
 *
 * @example What a magnet or a .torrent file names
 * ```ts
 * import { parseMagnet, parseTorrent, toHex } from "./mod.ts";
 *
 * const magnet = parseMagnet(`magnet:?xt=urn:btmh:1220${"ab".repeat(32)}`);
 * console.log(magnet.infoHashV2 && toHex(magnet.infoHashV2));
 *
 * export function describe(torrent: Uint8Array): string {
 *   const { info } = parseTorrent(torrent); // throws MetainfoInvalid
 *   return `${info.name}: ${info.kind}, ${info.totalLength} bytes in ${info.pieceCount} pieces`;
 * }
 * ```
 *
 * @module
 */

// Getting a snapshot.
export { get } from "./lib/mirror/get.ts";
export type { GetOptions, GetResult, LedgerSummary, Source } from "./lib/mirror/options.ts";
export type {
  Fetching,
  Phase,
  Publication,
  Report,
  RunEvent,
  RunFacts,
  SnapshotFacts,
  Standing,
  Traffic,
  TransferProgress,
} from "./lib/events.ts";
export { EMBEDDED_AUTHORITY, VERSION } from "./lib/about.ts";

// How it fails.
export {
  DirectoryHeld,
  EXIT,
  Interrupted,
  InvariantBroken,
  MetainfoInvalid,
  NetworkStalled,
  NodeRunning,
  NotEnoughSpace,
  NothingDiscovered,
  OperationFailed,
  PathUnusable,
  PointerUntrusted,
  PortTaken,
  SnapError,
  UsageError,
  VerificationFailed,
  WireFault,
} from "./lib/errors.ts";

// The computer it works with, and what a stand-in for it must be.
export { SystemMachine } from "./lib/io/machine.ts";
export type { WorkerChecker } from "./lib/io/check_client.ts";
export type { WorkerExtractor } from "./lib/io/extract_client.ts";
export type { WorkerExaminer } from "./lib/io/ledger_client.ts";
export type { WorkerTester } from "./lib/io/archive_test_client.ts";
export type { Machine } from "./lib/mirror/machine.ts";
export type {
  Clock,
  Endpoint,
  FileFacts,
  FileLock,
  Files,
  HttpClient,
  HttpResponse,
  Net,
  OpenFile,
  Random,
  TcpConn,
  TcpListener,
  UdpSocket,
} from "./lib/ports.ts";
export type { Extracted, Extractor, ExtractRequest } from "./lib/extract/extractor.ts";
export type { ArchiveFormat, Progress } from "./lib/extract/archive.ts";
export type { CheckJob, PieceChecker, PieceFiles, Verdicts } from "./lib/torrent/piece_checker.ts";

// Torrents and magnets.
export { encodeTorrent, parseInfo, parseTorrent } from "./lib/torrent/metainfo.ts";
export type { Info, Metainfo, TorrentFile } from "./lib/torrent/info.ts";
export { formatMagnet, parseInfoHash, parseMagnet } from "./lib/torrent/magnet.ts";
export type { InfoHash, Magnet } from "./lib/torrent/magnet.ts";
export { Layout } from "./lib/torrent/layout.ts";
export type { LayoutSource, PieceIndex, Span } from "./lib/torrent/layout.ts";

// Signed pointers.
export {
  isUsablePublicKey,
  publicKeyOf,
  signedBytes,
  signItem,
  targetOf,
  verifyItem,
  verifySignature,
} from "./lib/dht/signature.ts";
export type { SignedItem } from "./lib/dht/signature.ts";
export { parsePointer, pointerHex } from "./lib/snapshot/pointer.ts";
export type { Pointer } from "./lib/snapshot/pointer.ts";

// Ledgers.
export { readLedgerFacts } from "./lib/ledger/facts.ts";
export type { LedgerFacts } from "./lib/ledger/facts.ts";
export { InlineExaminer } from "./lib/ledger/examine.ts";
export type { Examination, ExaminationJob, ExaminedTable, LedgerExaminer } from "./lib/ledger/examination.ts";
export type { Problem } from "./lib/ledger/findings.ts";

// What lies on a disk: looked at, and proven.
export { Learner, type LearnOptions } from "./lib/mirror/learn.ts";
export { inspect } from "./lib/inspect/inspect.ts";
export type { Inspected, InspectOptions } from "./lib/inspect/inspect.ts";
export { verify } from "./lib/inspect/verify.ts";
export type { Verified, VerifyOptions } from "./lib/inspect/verify.ts";
export type { Named, TorrentSource } from "./lib/inspect/find_torrent.ts";
export type { Check } from "./lib/inspect/checks.ts";
export type { InspectMachine } from "./lib/inspect/machine.ts";

// Bytes.
export { BDict, BencodeFault, decode, encode, Verbatim } from "./lib/bencode.ts";
export type { Bencoded, DecodeOptions, Encodable } from "./lib/bencode.ts";
export { equalBytes, parseHex, toHex, utf8 } from "./lib/bytes.ts";
