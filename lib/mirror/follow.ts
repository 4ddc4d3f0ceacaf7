// The job of `nano-snap swarm`: a data directory that holds the newest snapshot and serves it, for as long as it runs.
//
//   directory and port -> what is whole here is served -> the pointer, again and again -> what is new is fetched beside
//   the old one -> it takes its place -> served
//
// Here is the start: what earlier runs, of this program or of upstream's, have left. What follows is follow_run.ts.

import { toHex } from "../bytes.ts";
import { UsageError } from "../errors.ts";
import type { Report } from "../events.ts";
import { formatSeconds } from "../format.ts";
import { Line } from "../line/line.ts";
import type { Candidate } from "../snapshot/discover.ts";
import { parsePointer } from "../snapshot/pointer.ts";
import type { Stream } from "../snapshot/trust.ts";
import { DataDir, type DataPaths } from "./data_dir.ts";
import type { FollowMachine, FollowOptions, LiveSettings } from "./follow_options.ts";
import { Follower } from "./follow_run.ts";
import { readInstalled } from "./installed.ts";
import { signedItemOf } from "./mirror_state.ts";
import { readTrusted } from "./trusted.ts";

/** Looks at everything now. @param settings What holds from now on; undefined for no change. */
type LookNow = (settings?: LiveSettings) => void;

/**
 * Follows the authority until the signal aborts.
 *
 * @param onHangup Gives what is to be called when somebody wants everything to be looked at now, with settings that
 * hold from then on.
 * @throws {PathUnusable | DirectoryHeld | PortTaken | UsageError} At the start. @throws The signal's reason.
 */
export async function follow(
  options: FollowOptions,
  machine: FollowMachine,
  report: Report,
  signal: AbortSignal,
  onHangup: (listener: LookNow) => void,
): Promise<never> {
  signal.throwIfAborted();
  if (!options.dht.enabled) {
    throw new UsageError("Cannot follow the authority without the DHT: its pointer is there");
  }
  let follower: Follower | undefined;
  let early: LiveSettings | undefined;
  onHangup((settings) => {
    if (follower === undefined) early = settings ?? early;
    else follower.lookNow(settings);
  });
  using dir = DataDir.open(options.dataDir, machine.files, { role: "swarm", ...machine });
  const { paths } = dir;
  report({ kind: "facts", facts: { directory: paths.own } });
  try {
    return await followIn(paths, options, machine, report, signal, (made) => {
      follower = made;
      if (early !== undefined) made.change(early);
    });
  } catch (error) {
    if (!signal.aborted && error instanceof Error) {
      report({ kind: "facts", facts: { lastError: error.message } });
      report({ kind: "phase", phase: "error", previous: "starting" });
    }
    throw error;
  } finally {
    report({ kind: "facts", facts: { directory: undefined } });
  }
}

async function followIn(
  paths: DataPaths,
  options: FollowOptions,
  machine: FollowMachine,
  report: Report,
  signal: AbortSignal,
  onMade: (follower: Follower) => void,
): Promise<never> {
  const stream = { publicKey: options.authorityKey, salt: options.salt };
  const note = (level: "info" | "warning", text: string) =>
    report({ kind: "note", level, logger: "mirror.watcher", text });
  note("info", `Verification using PRODUCER_SIGNING_PUBKEY: ${toHex(stream.publicKey)}`);
  note(
    "info",
    `Mode: SWARM (looks every ${formatSeconds(options.pollMs / 1000)}, seeds until it is stopped)`,
  );
  const known = readKnown(machine, paths, stream, report);
  await using line = await Line.open(machine, paths.dht, { ...options, saysReachability: true }, report);
  note("info", `Listening on port ${line.port}`);
  const follower = new Follower({ options, machine, paths, line, stream, ...known, report, signal });
  onMade(follower);
  return await follower.run();
}

/** What earlier runs knew: whom we trust, what the pointer named last, and which snapshots may be here. */
function readKnown(
  { files }: FollowMachine,
  paths: DataPaths,
  stream: Stream,
  report: Report,
) {
  const { trust, state, meta } = readTrusted(files, paths, stream, report);
  const installed = readInstalled(files, paths.installed);
  if (installed.warning !== undefined) {
    report({ kind: "note", level: "warning", logger: "mirror.watcher", text: installed.warning });
  }
  const signed = signedItemOf(meta, stream);
  const floor = trust.floor(stream);
  const isNewer = signed !== undefined && signed.seq >= floor.seq && floor.value === undefined;
  if (isNewer) trust.accept(signed);
  const { last_info_hash, last_seq } = state;
  // Upstream may have raised its seq without writing the signature again: what was signed names the snapshot still.
  const isLast = signed !== undefined && meta["torrent_info_hash"] === last_info_hash;
  const item = trust.accepted(stream) ?? (isLast ? signed : undefined);
  const pointer = item && parsePointer(item.value);
  const accepted: Candidate | undefined = pointer === undefined ? undefined : { pointer, item: item! };
  const remembered = [
    { name: last_info_hash, seq: last_seq },
    { name: installed.value?.v2 ?? "", seq: installed.value?.seq ?? undefined },
  ].filter(({ name }) => HASH.test(name));
  return { trust, accepted, remembered };
}

const HASH = /^([0-9a-f]{40}|[0-9a-f]{64})$/;
