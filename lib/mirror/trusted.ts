// Whom a directory trusts so far: the highest seq that it has accepted, by our records and by what an earlier mirror of
// either kind vouches for.

import { toHex } from "../bytes.ts";
import type { Report } from "../events.ts";
import type { JsonObject } from "../json_file.ts";
import type { Files } from "../ports.ts";
import { type Stream, TrustStore } from "../snapshot/trust.ts";
import type { DataPaths } from "./data_dir.ts";
import { type MirrorState, readMirrorState, readSnapshotMeta, vouchedSeq } from "./mirror_state.ts";

export interface Trusted {
  readonly trust: TrustStore;
  readonly state: MirrorState;
  readonly meta: JsonObject;
}

/** @param report Hears of damaged records. @throws {PathUnusable} When one is there and cannot be read. */
export function readTrusted(files: Files, paths: DataPaths, stream: Stream, report: Report): Trusted {
  const trust = TrustStore.open({ files, path: paths.trust, report });
  const state = readMirrorState(files, paths.mirrorState);
  const meta = readSnapshotMeta(files, paths.snapshotMeta);
  for (const { warning } of [state, meta]) {
    if (warning === undefined) continue;
    report({ kind: "note", level: "warning", logger: "mirror.watcher", text: warning });
  }
  const authority = { keyHex: toHex(stream.publicKey), salt: new TextDecoder().decode(stream.salt) };
  trust.vouch(stream, vouchedSeq(state.value, meta.value, authority) ?? 0);
  return { trust, state: state.value, meta: meta.value };
}
