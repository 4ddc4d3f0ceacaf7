// Every way a command can end badly, and the one table of exit codes (docs and tests read it from here).
// A stranger's fault is a WireFault and ends a connection; the world's or the user's is a SnapError and ends
// the command with one sentence; ours is `invariant` and ends the run with code 70.

/** Exit codes of every command. A script may rely on them: a number is never given a second meaning. */
export const EXIT = {
  done: 0,
  failure: 1,
  usage: 2,
  notDiscovered: 3,
  untrusted: 4,
  noSpace: 5,
  path: 6,
  nodeRunning: 7,
  network: 8,
  held: 9,
  bug: 70,
  interrupted: 130,
  terminated: 143,
} as const;

/** A failure that ends the command. Its message says what could not be done, then why, with the value. */
export abstract class SnapError extends Error {
  /** For scripts and --json; fixed once released. */
  abstract readonly code: string;
  /** From `EXIT`. */
  abstract readonly exitCode: number;
  override get name(): string {
    return this.constructor.name;
  }
}

/** What no other class names: an operating system call that failed in a way we have no advice for. */
export class OperationFailed extends SnapError {
  readonly code = "failed";
  readonly exitCode: number = EXIT.failure;
}

/** The command line or the environment asks for something that makes no sense. */
export class UsageError extends SnapError {
  readonly code = "usage";
  readonly exitCode: number = EXIT.usage;
}

/** No verified pointer was found in the time given. */
export class NothingDiscovered extends SnapError {
  readonly code = "nothing_discovered";
  readonly exitCode: number = EXIT.notDiscovered;
}

/** A verified pointer that must not be followed: rolled back, contradicted, or of an unknown shape. */
export class PointerUntrusted extends SnapError {
  readonly code = "pointer_untrusted";
  readonly exitCode: number = EXIT.untrusted;
}

/** Metadata, content, an archive or a ledger is not what it must be. */
export class VerificationFailed extends SnapError {
  readonly code = "verification_failed";
  readonly exitCode: number = EXIT.untrusted;
}

/** A .torrent file or an info dictionary that is malformed, contradicts itself or breaks a limit. */
export class MetainfoInvalid extends VerificationFailed {
  constructor(readonly why: string, options?: ErrorOptions) {
    super(`Cannot use the torrent: ${why}`, options);
  }
}

/** The disk cannot hold what is asked, seen before the first byte or in the middle. */
export class NotEnoughSpace extends SnapError {
  readonly code = "no_space";
  readonly exitCode: number = EXIT.noSpace;
}

/** A path cannot be read, written or created as it must. */
export class PathUnusable extends SnapError {
  readonly code = "path_unusable";
  readonly exitCode: number = EXIT.path;
}

/** Another program has the port. */
export class PortTaken extends SnapError {
  readonly code = "port_taken";
  readonly exitCode: number = EXIT.path;
}

/** The node holds its ledger open. */
export class NodeRunning extends SnapError {
  readonly code = "node_running";
  readonly exitCode: number = EXIT.nodeRunning;
}

/** Nobody has the data, or nobody sent any for as long as the user was willing to wait. */
export class NetworkStalled extends SnapError {
  readonly code = "network_stalled";
  readonly exitCode: number = EXIT.network;
}

/** Another instance of ours holds the data directory. */
export class DirectoryHeld extends SnapError {
  readonly code = "directory_held";
  readonly exitCode: number = EXIT.held;
}

/** The user or the system asked us to stop; everything whole was kept. */
export class Interrupted extends SnapError {
  readonly code = "interrupted";
  readonly exitCode: number;
  constructor(readonly signal: "SIGINT" | "SIGTERM", message: string) {
    super(message);
    this.exitCode = signal === "SIGINT" ? EXIT.interrupted : EXIT.terminated;
  }
}

/** A stranger broke a protocol. Caught where it was read, counted, and the connection is closed. */
export class WireFault extends Error {
  override readonly name: string = "WireFault";
  /** @param bep Which specification was broken, for example "BEP 52". */
  constructor(readonly bep: string, readonly why: string) {
    super(`${bep}: ${why}`);
  }
}

/** Something that our own code promises does not hold. */
export class InvariantBroken extends Error {
  override readonly name = "InvariantBroken";
}

/** Stops the run when our own promise does not hold. @throws {InvariantBroken} */
export function invariant(ok: boolean, whatMustHold: string): asserts ok {
  if (!ok) throw new InvariantBroken(whatMustHold);
}
