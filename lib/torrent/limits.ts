// Every bound on what a stranger can make a torrent do, in one place, each with its reason.

/** The unit of a request (BEP 3, BEP 52): 16 KiB. Kept by layout.ts for arithmetic; here for frame sizes. */
const BLOCK = 16_384;

/** Longest metadata (info dict) taken from anybody. libtorrent stops at 30 MiB; a 121 GB ledger needs 0.2 MiB. */
export const MAX_METADATA_BYTES = 32 << 20;

/** Most pieces in a torrent: libtorrent's own limit, and what a 256 KiB bitfield can say. */
export const MAX_PIECES = 2_097_152;

/** Longest .torrent file: metadata, a layer hash for every piece, and some room for what is around them. */
export const MAX_TORRENT_BYTES = MAX_METADATA_BYTES + 32 * MAX_PIECES + (8 << 20);

/** Longest piece that a torrent may have: 512 MiB, the most libtorrent 2.0.8 takes. */
export const MAX_PIECE_BYTES = 512 << 20;

/** Longest file of a torrent: from 2^30 - 1 blocks on (16 TiB), libtorrent cannot number the nodes of its tree. */
export const MAX_FILE_BYTES = BLOCK * (2 ** 30 - 1) - 1;

/** Most files in a torrent: each costs some hundred bytes of memory. */
export const MAX_FILES = 100_000;

/** Files of one torrent that are open at once: a process may have a thousand descriptors, two threads open these. */
export const MAX_OPEN_FILES = 100;

/** Deepest folder of a torrent: libtorrent's own limit. */
export const MAX_PATH_PARTS = 100;

/** Most trackers, web seeds and peers taken from one torrent or magnet, and the longest URL among them. */
export const MAX_TRACKERS = 100;
export const MAX_WEB_SEEDS = 100;
export const MAX_MAGNET_PEERS = 100;
export const MAX_URL_LENGTH = 2048;

/** Web seeds that are asked at once: libtorrent has three connections to each, we one to each of four. */
export const MAX_WEB_SEEDS_AT_ONCE = 4;

/** Blocks that a web seed is asked for at once: 1 MiB at first, 16 MiB (libtorrent's number) from a fast one. */
export const WEB_SEED_FIRST_BLOCKS = 64;
export const WEB_SEED_MOST_BLOCKS = 1024;

/** A web seed that sends nothing for so long, or less than a block in this time, is left alone for a while. */
export const WEB_SEED_TIMEOUT_MS = 20_000;
/** At first for ten seconds, doubled with each failure in a row. */
export const WEB_SEED_RETRY_MS = 10_000;
export const MAX_WEB_SEED_RETRY_MS = 600_000;

/** Longest magnet. What fits a command line and holds all of the above in reason. */
export const MAX_MAGNET_LENGTH = 64 << 10;

/** Longest frame by message id; a frame is refused before a buffer grows for it. Ids that are absent are unknown. */
export const MAX_FRAME_BYTES: ReadonlyMap<number, number> = new Map([
  [0, 1], // choke
  [1, 1], // unchoke
  [2, 1], // interested
  [3, 1], // not interested
  [4, 5], // have
  [5, 1 + MAX_PIECES / 8], // bitfield
  [6, 13], // request
  [7, 9 + BLOCK], // piece: nobody was asked for more than a block
  [8, 13], // cancel
  [9, 3], // port
  [13, 5], // suggest
  [14, 1], // have all
  [15, 1], // have none
  [16, 13], // reject
  [17, 5], // allowed fast
  [20, 64 << 10], // extended: a ut_metadata block is 16 KiB and some, a PEX message of 200 peers 4 KiB
  [21, 49], // hash request
  [22, 49 + 32 * (8192 + 32)], // hashes: libtorrent's most, and the longest proof
  [23, 49], // hash reject
]);

/** A connection's receive buffer: for one that says little, and for one that fills it: many blocks per read. */
export const IDLE_BUFFER_BYTES = 8 << 10;
export const RECEIVE_BUFFER_BYTES = 256 << 10;
/** The same for who comes when so many are connected: a hundred of the larger ones are 26 MB. */
export const CROWD_BUFFER_BYTES = 64 << 10;
export const MANY_PEERS = 16;

/** A peer that does not read is not read from either once this much waits for it. */
export const SEND_HIGH_WATER_BYTES = 1 << 20;

/** Blocks are put into a peer's send buffer while less than this waits in it: a few milliseconds of a fast line. */
export const SEND_LOW_WATER_BYTES = 256 << 10;

/** Requests that one peer may have waiting at ours; what we announce as `reqq`. */
export const MAX_REQUESTS_HELD = 500;

/** Most requests that we keep waiting at one peer: 32 MiB on the way, 1 Gbit/s at 250 ms. */
export const MAX_REQUESTS_SENT = 2000;

/** Connections at once, when the user says nothing, and those among them that are not open yet. */
export const DEFAULT_MAX_PEERS = 100;
export const MAX_HALF_OPEN = 20;

/** Addresses remembered but not connected; and how many of them one address may fill with its ports. */
export const MAX_CANDIDATES = 2000;
export const MAX_PORTS_PER_HOST = 8;

/** Connections from one host that may break the protocol within an hour, before it is refused for the rest of the run. */
export const MAX_FAULTS = 3;

/** Failed dials before a candidate is forgotten. */
export const MAX_DIAL_FAILURES = 6;

/** Peers taken from one PEX message, and messages per minute from one peer (BEP 11 says one; some send a few). */
export const MAX_PEX_PEERS = 100;
export const MAX_PEX_PER_MINUTE = 6;

/**
 * How often a peer may say what all its pieces are (BEP 6: once, first of all; a seed that loses a piece, once more).
 * Each time costs us a look at every piece of the torrent, and costs the peer five bytes.
 */
export const MAX_WHOLE_SETS = 8;

/** Before the metadata is here a peer may say `have` as often as it gains a piece in that short time. */
export const MAX_EARLY_HAVES = 10_000;

/** Pieces that a peer suggested and that were not begun: the latest count. Ours suggest at most as many. */
export const MAX_SUGGESTED = 16;

/** Hash requests waiting at one peer: libtorrent's own number. */
export const MAX_HASH_REQUESTS_SENT = 2;

/**
 * Requests for the leaves of a piece waiting at one peer, and most of them that one peer may have waiting at ours. BEP 52
 * names no number and libtorrent answers each at once: four pieces of 4 MiB in 100 ms are more than a fast line brings.
 */
export const MAX_LEAF_REQUESTS_SENT = 4;
export const MAX_LEAF_REQUESTS_HELD = 8;

/** Who refuses so many requests for leaves in a row is not asked for a while: a libtorrent that has not kept them. */
export const MAX_LEAF_REJECTS = 4;

/** ut_metadata pieces waiting at one peer. */
export const MAX_METADATA_REQUESTS_SENT = 4;

/** All copies of the metadata that are being fetched: two of the longest there may be. */
export const MAX_METADATA_HELD_BYTES = 2 * MAX_METADATA_BYTES;

/** ut_metadata pieces from one peer that nobody asked for: 1 MiB, more than can be late. */
export const MAX_UNASKED_METADATA = 64;

/** Milliseconds. Handshake: libtorrent's own. Idle: libtorrent closes after 120 s of silence, and sends each 60 s. */
export const HANDSHAKE_TIMEOUT_MS = 10_000;
export const DIAL_TIMEOUT_MS = 10_000;
export const SILENCE_TIMEOUT_MS = 120_000;
export const KEEP_ALIVE_MS = 60_000;
/**
 * Who neither sent nor got a block for this long gives its place up when all are taken. A seed gives each of a hundred
 * a turn within a minute.
 */
export const IDLE_MS = 120_000;
/**
 * Who dialed us and has not said what for after this gives its place up when all are taken: a handshake is the first
 * thing that comes, and a hundred connections that say nothing would keep everybody out for HANDSHAKE_TIMEOUT_MS.
 */
export const MUTE_MS = 1_000;
/** A peer that owes blocks and sends none for this long is snubbed: what it owes is asked of others. */
export const SNUB_MS = 20_000;
/** It may try again after this long; after so many times in a row it is closed. */
export const SNUB_REST_MS = 20_000;
export const MAX_SNUBS = 2;
/** A piece that failed is left to one peer for this long, when that one takes longer and there are others. */
export const ALONE_MS = 20_000;
/** A peer that refuses what it was asked for, though it does not choke us, is left alone for this long. */
export const REJECT_REST_MS = 1_000;
/** Metadata and hashes: asked of somebody else after this. */
export const METADATA_TIMEOUT_MS = 5_000;
/** A copy of the metadata that has not grown for this long no longer holds up the next peer's. */
export const METADATA_PATIENCE_MS = 1_000;
export const HASH_TIMEOUT_MS = 10_000;
/** Hashes that have not come after this are asked of one more peer, then of twice as many with each time as long. */
export const HASH_PATIENCE_MS = 1_000;
/** A torrent-less connection is worth nothing; a peer that says no is asked again after this. */
export const REJECT_PAUSE_MS = 60_000;
/** Blocks that came too late are normal; more than this unasked for is not. */
export const MAX_UNASKED_BYTES = 64 << 20;

/** Longest reply of an HTTP tracker: libtorrent's own number. A hundred times what 200 peers take. */
export const MAX_TRACKER_REPLY_BYTES = 1 << 20;

/** Most values in that reply: 500 peers as dictionaries of three are 4000. */
export const MAX_TRACKER_TOKENS = 20_000;

/** Peers that a tracker is asked for, which is libtorrent's number, and most that are taken from one reply. */
export const TRACKER_PEERS_WANTED = 200;
export const MAX_TRACKER_PEERS = 500;

/** Characters of what a tracker says that reach a log, and bytes of the id that it wants to hear again. */
export const MAX_TRACKER_TEXT = 200;
export const MAX_TRACKER_ID_BYTES = 256;

/**
 * A tracker that does not say when to come back is asked after the usual half hour. What it says is held within
 * bounds: libtorrent's least, and two hours, after which nobody would find us any more.
 */
export const TRACKER_INTERVAL_MS = 1_800_000;
export const MIN_TRACKER_INTERVAL_MS = 300_000;
export const MAX_TRACKER_INTERVAL_MS = 7_200_000;
/** Whoever has no peer at all may come back sooner, as soon as the tracker's `min interval` allows; at least this. */
export const MIN_TRACKER_PAUSE_MS = 60_000;
/** After the n-th failure in a row: 5 s + n^2 * 12.5 s, at most an hour. libtorrent's numbers. */
export const TRACKER_RETRY_MS = 5_000;
export const TRACKER_RETRY_GROWTH_MS = 12_500;
export const MAX_TRACKER_RETRY_MS = 3_600_000;
/** A tracker that is silent for this long may still answer, but the next one is asked too. */
export const TRACKER_PATIENCE_MS = 3_000;
/** A reply's last byte comes within this, by HTTP (libtorrent's own) and by UDP (three datagrams: 0, 15 and 45 s). */
export const HTTP_TRACKER_TIMEOUT_MS = 30_000;
export const UDP_TRACKER_TIMEOUT_MS = 60_000;
/** BEP 15: the first wait for an answer, doubled with each try, and how long a connection id is good for. */
export const UDP_TRACKER_RESEND_MS = 15_000;
export const UDP_CONNECTION_MS = 60_000;
/**
 * For saying `completed` and `stopped` at the end, and how much of it for answers that are on their way: whoever
 * stops a program does not wait for a dead tracker.
 */
export const TRACKER_FAREWELL_MS = 2_000;
export const TRACKER_LAST_WORD_MS = 1_000;
