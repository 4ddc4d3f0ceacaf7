// Where an unpacked ledger is to stay, as a `get` sees it: in the data directory, or somewhere that has more to say about
// it (node_place.ts: in a node's own directory).

import type { Report } from "../events.ts";
import { placeLedger } from "../extract/place.ts";
import { type LedgerFacts, readLedgerFacts } from "../ledger/facts.ts";
import type { Files } from "../ports.ts";
import type { Info } from "../torrent/metainfo.ts";
import type { ArchiveSpace } from "./content_options.ts";
import type { DataPaths } from "./data_dir.ts";
import type { Installed } from "./installed.ts";

/** Which snapshot a ledger is of, as installed.json names it. */
export type SnapshotName = Pick<Installed, "v2" | "v1" | "seq">;

export interface LedgerPlace {
  /** The ledger's final path. */
  readonly path: string;
  /** A folder on the same disk: `data.ldb.partial` is made in it. */
  readonly folder: string;
  /** Whether a node may write to it once it is there. */
  readonly isLive: boolean;
  /** A snapshot that an earlier run put in its place, and was then killed before it could write that down. */
  readonly landed: SnapshotName | undefined;
  /** Before anything is fetched of a torrent. @throws {SnapError} What can never end well. */
  examine(info: Info): void;
  /** Before the first byte. @throws {NotEnoughSpace} */
  examineSpace(archive: ArchiveSpace): void;
  /** Whether an earlier run has left the whole, checked ledger of this snapshot; `name` may be cut short. */
  isReady(name: string): SnapshotName | undefined;
  /** What lies ready, if anything, is of another snapshot: its space is needed. */
  clear(): void;
  /**
   * Checks the unpacked ledger and puts it in its place.
   *
   * @param partial undefined for the one that lies ready.
   * @throws {VerificationFailed} Then the partial file is gone, and nothing in place was touched.
   */
  put(partial: string | undefined, of: SnapshotName): Promise<LedgerFacts>;
  /** The state files say so too: what was only there for a run that is killed goes. */
  settle(): void;
}

/** In the data directory. */
export class DataPlace implements LedgerPlace {
  readonly isLive = false;
  readonly landed = undefined;
  readonly #files: Files;
  readonly #paths: DataPaths;
  readonly #report: Report;

  constructor({ files }: { readonly files: Files }, paths: DataPaths, report: Report) {
    this.#files = files;
    this.#paths = paths;
    this.#report = report;
  }

  get path(): string {
    return this.#paths.ledger;
  }

  get folder(): string {
    return this.#paths.root;
  }

  examine(): void {}

  /** The archive's own check, and the unpacker's, see to it. */
  examineSpace(): void {}

  isReady(): undefined {
    return undefined;
  }

  clear(): void {
    this.#files.remove(`${this.#paths.ledger}.partial`);
  }

  put(partial: string): Promise<LedgerFacts> {
    const facts = checkedFacts(this.#files, partial);
    for (const text of facts.warnings) {
      this.#report({ kind: "note", level: "warning", logger: "extract", text });
    }
    placeLedger(this.#files, { partial, folder: this.#paths.root });
    return Promise.resolve(facts);
  }

  settle(): void {}
}

/** A new ledger's facts. @throws {VerificationFailed} Then the file is gone. */
export function checkedFacts(files: Files, path: string): LedgerFacts {
  const file = files.open(path, "read");
  try {
    return readLedgerFacts(file);
  } catch (error) {
    files.remove(path);
    throw error;
  } finally {
    file.close();
  }
}
