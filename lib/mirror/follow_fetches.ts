// The snapshots that a mirror is fetching: one past its gate, and at most one that waits there. What the core decided is
// carried out here, and what becomes of it is told. Where the disk has no room, what is worth the least makes some.

import { dirname, join } from "node:path";
import { InvariantBroken, MetainfoInvalid, NotEnoughSpace, PathUnusable, SnapError } from "../errors.ts";
import type { Phase, Report } from "../events.ts";
import { shortHash } from "../format.ts";
import type { Line } from "../line/line.ts";
import type { HashedTorrent } from "../torrent/check.ts";
import type { Info } from "../torrent/metainfo.ts";
import type { Swarm } from "../torrent/swarm.ts";
import { nameOf } from "./content_options.ts";
import { type DataPaths, LEDGER_NAME } from "./data_dir.ts";
import { fetchTorrent } from "./fetch.ts";
import type { Fetched } from "./fetch_options.ts";
import type { FollowInput } from "./follow_core.ts";
import type { FollowMachine, FollowOptions } from "./follow_options.ts";
import type { ServedSnapshots, Serving } from "./follow_served.ts";
import type { Shelf, Whole } from "./follow_shelf.ts";
import type { SwarmTraffic } from "../line/traffic.ts";
import { refuseName } from "./names.ts";
import { bytesToGo, fetchedBefore, pieceIndices } from "./reuse.ts";
import { type Target, withSaved } from "./target.ts";

export interface FetchesOptions {
  /** As they are now. */
  readonly options: () => FollowOptions;
  readonly machine: FollowMachine;
  readonly paths: DataPaths;
  readonly line: Line;
  readonly shelf: Shelf;
  readonly served: ServedSnapshots;
  readonly traffic: SwarmTraffic;
  readonly report: Report;
  readonly signal: AbortSignal;
  readonly tell: (input: FollowInput) => void;
  readonly onBug: (error: unknown) => void;
}

/** One that is whole, in `incoming/` still, and served from there. */
export interface Finished {
  readonly torrent: HashedTorrent;
  readonly path: string;
  readonly serving: Serving;
}

interface Fetching {
  readonly name: string;
  readonly target: Target;
  readonly stop: AbortController;
  readonly admitted: PromiseWithResolvers<void>;
  readonly done: Promise<void>;
  swarm: Swarm | undefined;
  torrent: HashedTorrent | undefined;
  layersReady: Promise<void> | undefined;
  fetched: Fetched | undefined;
  /** What was here when it was last looked at, and whether anything was gone through since. */
  seenBytes: number;
  isBusy: boolean;
}

export class Fetches {
  readonly #parts: FetchesOptions;
  readonly #fetching = new Map<string, Fetching>();
  /** Those that were abandoned and have files open still. */
  readonly #ending = new Set<Promise<void>>();

  constructor(parts: FetchesOptions) {
    this.#parts = parts;
  }

  /** Everything under which something of theirs may lie in the data directory. */
  get names(): string[] {
    return [...this.#fetching.values()].flatMap(({ name, torrent }) =>
      torrent === undefined ? [name] : [name, nameOf(torrent.info)]
    );
  }

  begin(name: string, target: Target): void {
    const fetching: Fetching = {
      name,
      target,
      stop: new AbortController(),
      admitted: Promise.withResolvers<void>(),
      done: Promise.resolve().then(() => this.#run(fetching)),
      swarm: undefined,
      torrent: undefined,
      layersReady: undefined,
      fetched: undefined,
      seenBytes: 0,
      isBusy: false,
    };
    this.#fetching.set(name, fetching);
    this.#note("info", `New snapshot detected: ${shortHash(name)}`);
  }

  /** Opens its gate when all that were abandoned have closed their files. */
  admit(name: string): void {
    const fetching = this.#fetching.get(name);
    if (fetching !== undefined) void Promise.all(this.#ending).then(() => fetching.admitted.resolve());
  }

  /** Ends it. What is here of it stays. */
  abandon(name: string, why: string): void {
    const fetching = this.#fetching.get(name);
    if (fetching === undefined) return;
    this.#fetching.delete(name);
    this.#note("info", `Fetching ${shortHash(name)} no longer: ${why}`);
    fetching.stop.abort(new PathUnusable("Superseded by another snapshot"));
    this.#ending.add(fetching.done);
    void fetching.done.finally(() => this.#ending.delete(fetching.done));
  }

  /** Tells how much one would need, and how much another one still needs. */
  async measure(name: string, otherName: string): Promise<void> {
    const fetching = this.#fetching.get(name);
    await Promise.race([fetching?.layersReady, fetching?.done]);
    const other = this.#fetching.get(otherName);
    const torrent = fetching?.torrent;
    if (torrent === undefined || other?.torrent === undefined || !this.#fetching.has(name)) return;
    // Until its content is open, which may take as long as hashing it, an interrupted one has what it had before. And the
    // pointer may have named the newer one before, too.
    const here = other.swarm?.download?.here;
    const pieces = pieceIndices(here ?? fetchedBefore(this.#parts, other.torrent));
    const wholes = this.#parts.served.wholes.map((whole) => ({
      ...whole,
      pieces: [...whole.layout.pieces()],
    }));
    const neededBytes = bytesToGo(this.#parts, torrent, undefined, [{ ...other.torrent, pieces }, ...wholes]);
    const otherBytes = bytesToGo(this.#parts, other.torrent, here, here === undefined ? wholes : []);
    this.#parts.tell({ kind: "measured", name, neededBytes, otherBytes });
  }

  /** Tells of those that came on since the last look. */
  look(): void {
    for (const fetching of this.#fetching.values()) {
      const { name, swarm, seenBytes, isBusy } = fetching;
      const bytes = swarm?.downRate.total ?? 0;
      fetching.seenBytes = bytes;
      fetching.isBusy = false;
      if (bytes > seenBytes || isBusy) this.#parts.tell({ kind: "advanced", name });
    }
  }

  /** Takes one that is whole out of here: it is the caller's to close. */
  take(name: string): Finished {
    const fetching = this.#fetching.get(name);
    if (fetching?.torrent === undefined || fetching.fetched === undefined) {
      throw new InvariantBroken("what is placed is whole");
    }
    const { torrent, fetched, swarm, stop, done } = fetching;
    const close = () => {
      stop.abort(new PathUnusable("Superseded by another snapshot"));
      return done;
    };
    return { torrent, path: fetched.path, serving: { swarm: swarm!, close } };
  }

  /** It has its place: from here on it is only served. */
  release(name: string): void {
    this.#fetching.delete(name);
  }

  /** To be called when the signal has aborted. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#fetching.values()].map(({ done }) => done));
    await Promise.all(this.#ending);
  }

  async #run(fetching: Fetching): Promise<void> {
    const { tell, onBug, served } = this.#parts;
    const { name, stop } = fetching;
    try {
      for (let tries = 0;; tries++) {
        await served.clear(name);
        try {
          await this.#fetch(fetching);
          return;
        } catch (error) {
          const isFull = error instanceof NotEnoughSpace && fetching.fetched === undefined;
          if (!isFull || stop.signal.aborted || !await this.#makeRoom(fetching, tries)) throw error;
        }
      }
    } catch (error) {
      if (stop.signal.aborted || this.#parts.signal.aborted) return;
      if (!(error instanceof SnapError)) return onBug(error);
      if (this.#fetching.delete(name)) {
        tell({ kind: "fetchFailed", name, why: this.#whyOf(error, fetching.torrent) });
      } else this.#serveAnew(fetching, error);
    } finally {
      if (fetching.swarm !== undefined) this.#parts.traffic.remove(fetching.swarm);
    }
  }

  /** One that has its place needs none of what fetching took. */
  #serveAnew({ torrent }: Fetching, error: SnapError): void {
    const { current } = this.#parts.served;
    if (torrent === undefined || current?.name !== nameOf(torrent.info)) return;
    this.#note("warning", `${error.message}; ${shortHash(current.name)} is opened again`);
    this.#parts.served.reopen(current);
  }

  #fetch(fetching: Fetching): Promise<Fetched> {
    const { machine, paths, line, served, traffic, report, signal, tell } = this.#parts;
    const options = this.#parts.options();
    const { name, stop, target, admitted } = fetching;
    return fetchTorrent({
      machine,
      paths,
      line,
      target: withSaved(target, machine.files, paths),
      peers: options.peers,
      trackers: { enabled: options.useTrackers, named: options.trackers },
      webSeeds: options.webSeeds,
      bind: options.bind,
      force: false,
      stallTimeoutMs: 0,
      client: machine.client,
      wholes: served.wholes,
      onSwarm: (swarm) => {
        if (fetching.swarm !== undefined) traffic.remove(fetching.swarm);
        fetching.swarm = swarm;
        traffic.add(swarm);
      },
      onInfo: (info) => {
        refuseName(info);
        if (info.isSingleFile) return;
        throw new MetainfoInvalid("it has several files, and a mirror serves snapshots of one");
      },
      gate: async (torrent, layersReady) => {
        fetching.torrent = torrent;
        fetching.layersReady = layersReady;
        tell({ kind: "understood", name });
        await admitted.promise;
      },
      onPhase: (phase) => this.#onPhase(fetching, phase),
      onWhole: async (fetched) => {
        fetching.fetched = fetched;
        tell({ kind: "whole", name });
        await new Promise<never>(() => {});
      },
      report: (event) => {
        if (event.kind === "work") fetching.isBusy = true;
        report(event);
      },
      signal: AbortSignal.any([signal, stop.signal]),
    });
  }

  #onPhase({ name }: Fetching, phase: Phase): void {
    const stage = phase === "downloading_metadata"
      ? "metadata"
      : phase === "checking" || phase === "downloading"
      ? phase
      : undefined;
    if (stage === undefined) return;
    this.#parts.tell({ kind: "stage", name, stage });
    // What it could use of others is copied by now.
    if (stage === "downloading") this.#tidy();
  }

  #tidy(): void {
    const { shelf, served } = this.#parts;
    shelf.tidy({ whole: served.wholes.map(({ name }) => name), growing: this.names });
  }

  /** Gives up what is worth the least. @returns Whether there was something. */
  async #makeRoom(fetching: Fetching, tries: number): Promise<boolean> {
    const { served, paths, shelf, machine: { files }, tell } = this.#parts;
    const { replaceInPlace } = this.#parts.options();
    if (tries >= MOST_TRIES) return false;
    if (served.isAnyLeaving) {
      await served.letGo("once");
      return true;
    }
    const others = files.list(join(paths.own, "incoming")).filter((name) => !this.names.includes(name));
    if (others.length > 0) {
      this.#note("info", "Parts of other snapshots go, to make room");
      this.#tidy();
      return true;
    }
    if (await served.dropOldest() !== undefined) return true;
    if (!replaceInPlace || fetching.torrent === undefined) return false;
    const { current } = served;
    if (current !== undefined) {
      this.#note(
        "warning",
        `No room for two: ${shortHash(current.name)} gives its place to ${shortHash(fetching.name)} now`,
      );
      await served.giveUpCurrent();
      files.remove(paths.installed);
      this.#handOver(current, fetching.torrent.info);
      tell({ kind: "lost" });
      return true;
    }
    const place = shelf.placeOf(fetching.torrent.info);
    if (files.stat(place)?.kind !== "file" || place === paths.ledger) return false;
    // Nothing of it is the new one's, or it would have been taken.
    files.remove(place);
    return true;
  }

  /** A ledger has a place of its own: it becomes what the new one grows in, where that has not begun. */
  #handOver({ name, path }: Whole, info: Info): void {
    const { paths, machine: { files } } = this.#parts;
    if (path !== paths.snapshot(name)) return;
    const grown = join(paths.incoming(nameOf(info)), info.name);
    if (info.name === LEDGER_NAME && files.stat(grown) === undefined) {
      files.makeDir(dirname(grown));
      files.rename(path, grown);
    }
    files.removeAll(dirname(path));
  }

  #whyOf(error: SnapError, torrent: HashedTorrent | undefined): string {
    const { served: { current }, shelf, machine: { files } } = this.#parts;
    const { replaceInPlace } = this.#parts.options();
    if (!(error instanceof NotEnoughSpace)) return error.message;
    if (current === undefined) {
      const place = torrent && shelf.placeOf(torrent.info);
      const isInTheWay = !replaceInPlace && place !== undefined && files.stat(place)?.kind === "file";
      return isInTheWay
        ? `${error.message}; ${place} is nothing of it: remove that, or start with --replace-in-place`
        : error.message;
    }
    const advice = replaceInPlace
      ? ""
      : ", or start with --replace-in-place, which gives it up before the new one is whole";
    return `${error.message}; still seeding ${shortHash(current.name)}: make room${advice}`;
  }

  #note(level: "info" | "warning", text: string): void {
    this.#parts.report({ kind: "note", level, logger: "mirror.watcher", text });
  }
}

/** A disk that fills as fast as room is made is no place for a snapshot. */
const MOST_TRIES = 200;
