// What a mirror that follows its authority is told, and what it needs of the machine. Nothing has a default here: those
// are the command line's.

import type { ScheduleWindow } from "../line/schedule.ts";
import type { Programs } from "../ports.ts";
import type { Machine } from "./machine.ts";
import type { GetOptions } from "./options.ts";

export interface FollowOptions extends
  Pick<
    GetOptions,
    | "authorityKey"
    | "salt"
    | "dataDir"
    | "port"
    | "bind"
    | "dht"
    | "peers"
    | "trackers"
    | "useTrackers"
    | "webSeeds"
    | "webSeedLimit"
    | "portMapping"
    | "lsd"
    | "maxPeers"
    | "downLimit"
    | "upLimit"
  > {
  /** Other limits at some hours. */
  readonly schedule?: readonly ScheduleWindow[];
  /** Between two lookups. */
  readonly pollMs: number;
  /** How many older snapshots stay on disk and are served. */
  readonly keep: number;
  /** Put a pointer that few DHT nodes hold again, as it is. */
  readonly refresh: boolean;
  /** Where two snapshots have no room, let the new one take the old one's: until it is whole there is none. */
  readonly replaceInPlace: boolean;
  /** A program to run after each switch; undefined for none. */
  readonly onUpdate: string | undefined;
  /** Whether `LiveSettings` may become others while it runs; they may not where undefined. */
  readonly isChangeable?: boolean;
}

/** What can change while a mirror runs. Web seeds and peers hold from the next fetch on, the others at once. */
export type LiveSettings = Pick<
  FollowOptions,
  | "maxPeers"
  | "downLimit"
  | "upLimit"
  | "webSeedLimit"
  | "schedule"
  | "pollMs"
  | "keep"
  | "refresh"
  | "onUpdate"
  | "peers"
  | "webSeeds"
>;

/** The machine, with other programs. */
export interface FollowMachine extends Machine {
  readonly programs: Programs;
}
