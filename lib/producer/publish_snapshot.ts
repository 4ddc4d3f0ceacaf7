// The job of `nano-snap produce publish`: from a file to a pointer that strangers can read.
//
//   state file, DHT node -> torrent and snapshot-meta.json -> pointer, put and read back
//
// What can fail soon is tried before the hashing, which takes minutes.

import { dirname, join } from "node:path";
import { toHex } from "../bytes.ts";
import { targetOf } from "../dht/signature.ts";
import type { Report } from "../events.ts";
import type { Net } from "../ports.ts";
import { pointerValue } from "../snapshot/pointer.ts";
import type { CreateOptions } from "./create.ts";
import type { SigningKey } from "./keys.ts";
import type { ProducerMachine } from "./machine.ts";
import { type Prepared, prepareSnapshot } from "./prepare.ts";
import { type Publication, publishPointer } from "./publish.ts";
import { PublisherDht, type PublisherDhtOptions } from "./publisher_dht.ts";
import { PublisherState } from "./publisher_state.ts";

export interface PublishSnapshotOptions {
  readonly torrent: CreateOptions;
  readonly key: SigningKey;
  readonly salt: Uint8Array;
  /** undefined: publisher_state.json beside the file. */
  readonly stateFile: string | undefined;
  readonly dht: Omit<PublisherDhtOptions, "target">;
  /** Does all but reserving a seq, putting and reading back. */
  readonly dryRun: boolean;
}

export interface PublishedSnapshot {
  readonly prepared: Prepared;
  readonly publication: Publication;
}

/** The machine, with sockets. */
export interface PublishingMachine extends ProducerMachine {
  readonly net: Net;
  readonly pid: number;
}

/** Publishes. @throws As `prepareSnapshot` and `publishPointer`; `PortTaken`, `DirectoryHeld`. */
export async function publishSnapshot(
  options: PublishSnapshotOptions,
  machine: PublishingMachine,
  report: Report,
  signal: AbortSignal,
): Promise<PublishedSnapshot> {
  signal.throwIfAborted();
  const { key, salt, torrent, dryRun } = options;
  const { files, clock, pid } = machine;
  const folder = dirname(torrent.path);
  const path = options.stateFile ?? join(folder, "publisher_state.json");
  const target = targetOf(key.publicKey, salt);
  const stream = { publicKey: key.publicKey, salt };
  const openState = () => PublisherState.open({ files, path, stream, pid, report });
  const note = (level: "info" | "warning", text: string) =>
    report({ kind: "note", level, logger: "producer.publish", text });

  await using dht = await PublisherDht.open(machine, { ...options.dht, target });
  if (files.stat(torrent.path)?.kind === "file") openState()[Symbol.dispose]();
  note("info", `Signing as ${toHex(key.publicKey)}, DHT target ${toHex(target)}`);
  if (files.stat(join(folder, "mirror_state.json")) !== undefined) {
    note(
      "warning",
      `${folder} is a mirror's folder too: no mirror will use it once something was published from it`,
    );
  }
  const prepared = await prepareSnapshot(torrent, machine, report, signal);

  // Held only now: hashing takes minutes, and the seeding daemon refreshes its pointer meanwhile.
  using state = openState();
  const publication = await publishPointer({
    dht: dht.node,
    openReader: () => dht.openReader(),
    key,
    salt,
    value: pointerValue(prepared.info.infoHashV2!),
    state,
    clock,
    signal,
    report,
    dryRun,
  });
  return { prepared, publication };
}
