// A swap on the real file system whose every change can be counted, refused, or be the last one.

import { join } from "node:path";
import { systemAccess } from "../../lib/io/access.ts";
import { systemFiles } from "../../lib/io/files.ts";
import { systemPrograms } from "../../lib/io/programs.ts";
import { findHome } from "../../lib/node/home.ts";
import { ShutOut } from "../../lib/node/shut_out.ts";
import { Staging, type StagingMachine } from "../../lib/node/staging.ts";
import { backupName, mend, swap } from "../../lib/node/swap.ts";

/** What changes something, by the names of the ports. */
const CHANGES = ["writeAtomic", "writeNew", "rename", "link", "remove", "removeAll", "makeDir"] as const;

/** The system's files; `before` hears of each change before it is made, and may throw. */
export function watchedMachine(before: (change: string) => void): StagingMachine {
  const files = { ...systemFiles };
  for (const name of CHANGES) {
    const call = systemFiles[name] as (...words: unknown[]) => void;
    Object.assign(files, {
      [name]: (...words: unknown[]) => {
        before(`${name} ${words.filter((word) => typeof word === "string").join(" ")}`);
        call(...words);
      },
    });
  }
  const access = {
    ...systemAccess,
    give: (...words: Parameters<typeof systemAccess.give>) => {
      before(`give ${words[0]}`);
      systemAccess.give(...words);
    },
  };
  return { files, access };
}

export const SNAPSHOT = { v2: "ab".repeat(32), v1: null, seq: 7 };

export interface Play {
  /** The node's folder. */
  readonly directory: string;
  /** Makes the new ledger at the given path, as an unpacker would; only called when none lies ready. */
  readonly unpack: (partial: string) => void;
  readonly backup: boolean;
  readonly refuseRunning?: (...more: readonly string[]) => void;
  readonly tellStarted?: () => void;
  readonly onWaiting?: (text: string) => void;
}

/** Everything that `get --install` does to a node's folder, from the first change to the last. @returns The backup. */
export function playSwap(machine: StagingMachine, play: Play): string | undefined {
  const { files } = machine;
  const { directory } = play;
  const home = findHome("live", directory, { files, env: {}, target: "linux" });
  using staging = Staging.open(machine, home);
  const watch = {
    refuseRunning: play.refuseRunning ?? (() => {}),
    tellStarted: play.tellStarted ?? (() => {}),
    shutOut: () =>
      ShutOut.begin({ ...machine, programs: systemPrograms }, staging, play.onWaiting ?? (() => {})),
  };
  const { left } = mend(files, staging, watch, Date.UTC(2026, 10, 22));
  // As installed.json, which is written before the last records of the swap go.
  const installed = `${directory}.installed`;
  if (left.kind === "nothing" && files.stat(installed) !== undefined) return undefined;
  if (left.kind === "swapped") {
    files.writeAtomic(installed, new Uint8Array());
    staging.finish();
    return undefined;
  }
  let staged = left.kind === "staged" ? left.staged : undefined;
  if (staged === undefined) {
    play.unpack(staging.partial);
    staged = staging.take(staging.partial, SNAPSHOT);
  }
  const name = play.backup ? backupName(files, home.ledger, Date.UTC(2026, 10, 22)) : undefined;
  const backup = swap(files, staging, staged, { backup: name, ...watch });
  files.writeAtomic(installed, new Uint8Array());
  staging.finish();
  return backup;
}

/** Names in a folder, and in the staging folder. */
export function namesIn(directory: string): string[] {
  const names: string[] = [];
  for (const entry of Deno.readDirSync(directory)) {
    if (!entry.isDirectory) names.push(entry.name);
    else {names.push(
        ...namesIn(join(directory, entry.name)).map((name) => `${entry.name}/${name}`),
        entry.name,
      );}
  }
  return names.toSorted();
}
