// Where a tracker is: the name of its URL as addresses. A resolver may hang for many seconds and cannot be stopped, so
// whoever is told to stop does not wait for it.

import { OperationFailed } from "../errors.ts";
import type { Net } from "../ports.ts";

/**
 * The addresses behind a URL's host, IPv4 first; empty when it cannot be resolved.
 *
 * @param hostname As a URL has it: an IPv6 address in brackets.
 * @throws {OperationFailed} As soon as the signal aborts.
 */
export async function addressesOf(
  net: Net,
  hostname: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const aborted = Promise.withResolvers<never>();
  const giveUp = () => aborted.reject(new OperationFailed("given up"));
  if (signal.aborted) giveUp();
  signal.addEventListener("abort", giveUp);
  try {
    return await Promise.race([aborted.promise, net.resolve(hostname.replace(/^\[(.*)\]$/, "$1"))]);
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}
