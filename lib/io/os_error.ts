// What the operating system says when it refuses, as one of our errors: which class (and so which exit code) an
// errno belongs to, and its reason in words a person understands. The runtime's own error is kept as the cause.

import { NotEnoughSpace, OperationFailed, PathUnusable, type SnapError } from "../errors.ts";

/** The errno name ("ENOENT") of a failure from Deno or node:*; undefined when it has none. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/**
 * The error of a failed call on a path.
 *
 * @param doing What was tried, as a verb: "write".
 * @returns NotEnoughSpace, PathUnusable or OperationFailed, saying "Cannot <doing> <path>: <reason>".
 */
export function pathError(doing: string, path: string, error: unknown): SnapError {
  const errno = errnoOf(error);
  const message = `Cannot ${doing} ${path}: ${reasonOf(error)}`;
  if (errno !== undefined && SPACE.has(errno)) return new NotEnoughSpace(message, { cause: error });
  if (errno !== undefined && PATH.has(errno)) return new PathUnusable(message, { cause: error });
  return new OperationFailed(message, { cause: error });
}

/** Why a call failed, for people: "permission denied". */
export function reasonOf(error: unknown): string {
  const errno = errnoOf(error);
  const known = errno === undefined ? undefined : REASONS[errno];
  if (known !== undefined) return known;
  return error instanceof Error ? error.message : String(error);
}

const SPACE: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);
const PATH: ReadonlySet<string> = new Set([
  "EACCES",
  "EPERM",
  "EROFS",
  "ENOENT",
  "ENOTDIR",
  "EISDIR",
  "ELOOP",
  "EEXIST",
  "ENOTEMPTY",
  "ENAMETOOLONG",
  "EINVAL",
  "ETXTBSY",
  "EXDEV",
]);
const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: "no space left on the device",
  EDQUOT: "the disk quota is used up",
  EFBIG: "the filesystem takes no file this large",
  EACCES: "permission denied",
  EPERM: "operation not permitted",
  EROFS: "the filesystem is read-only",
  ENOENT: "no such file or folder",
  ENOTDIR: "a part of the path is not a folder",
  EISDIR: "it is a folder",
  ELOOP: "too many symbolic links",
  EEXIST: "something else is there",
  ENOTEMPTY: "the folder is not empty",
  ENAMETOOLONG: "the name is too long",
  EXDEV: "the two places are on different filesystems",
  EIO: "the disk reports an input/output error",
  EMFILE: "too many open files (raise the limit: ulimit -n)",
  ENFILE: "the system has too many open files",
  EADDRINUSE: "another program has it",
  EADDRNOTAVAIL: "this machine has no such address",
  EAFNOSUPPORT: "this machine does not have that kind of address",
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset",
  EHOSTUNREACH: "host unreachable",
  ENETUNREACH: "network unreachable",
  ETIMEDOUT: "timed out",
};
