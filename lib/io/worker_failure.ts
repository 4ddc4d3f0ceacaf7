// How an error gets from a Worker to whoever asked it: errors lose their class between threads, so that its code
// travels instead.

import {
  InvariantBroken,
  NotEnoughSpace,
  OperationFailed,
  PathUnusable,
  SnapError,
  VerificationFailed,
} from "../errors.ts";

export interface Failure {
  /** A SnapError's, or "bug". */
  readonly code: string;
  readonly message: string;
}

/** In the Worker. */
export function failureOf(error: unknown): Failure {
  if (error instanceof SnapError) return { code: error.code, message: error.message };
  if (error instanceof InvariantBroken) return { code: "bug", message: error.message };
  return { code: "bug", message: error instanceof Error ? error.stack ?? error.message : String(error) };
}

/** On the other side. */
export function errorOf({ code, message }: Failure): Error {
  switch (code) {
    case "verification_failed":
      return new VerificationFailed(message);
    case "no_space":
      return new NotEnoughSpace(message);
    case "path_unusable":
      return new PathUnusable(message);
    case "failed":
      return new OperationFailed(message);
    default:
      return new InvariantBroken(message);
  }
}
