// Which seq a value is put under (BEP 44): one that neither the state file nor the DHT has ever given to
// another value. What the DHT has was signed with our own key, so a value that we do not know is another producer's
// with that key, or ours from before a state file was lost.
//
//   the DHT has our value, at a seq above all that we know, or at ours   -> that very item again
//   it has our latest value at a higher seq (upstream's program counts up while it republishes) -> one above that
//   it has nothing as new as what we gave to this value                  -> our seq again (the same signature: Ed25519)
//   anything else                                                        -> one above the highest that is known

import { equalBytes } from "../bytes.ts";
import type { SignedItem } from "../dht/signature.ts";
import type { PublisherState } from "./publisher_state.ts";

/** What a finished lookup found: the verified item with the highest seq, and whether two values claim that seq. */
export interface Seen {
  readonly item: SignedItem | undefined;
  readonly conflict: boolean;
}

export interface NextSeq {
  readonly seq: number;
  /** The item as it is in the DHT already; undefined when it is to be signed. */
  readonly item: SignedItem | undefined;
  /** Whether this seq is the value's since before: a refresh. */
  readonly isAgain: boolean;
  /** Somebody else's value, at least as new as ours. `conflict`: there are two of them, or one is ours. */
  readonly foreign: { readonly item: SignedItem; readonly conflict: boolean } | undefined;
}

/** Chooses. Nothing is written. The seq may be above 2^53 - 1, which `reserve` refuses. */
export function chooseSeq(
  value: Uint8Array,
  { item: seen, conflict }: Seen,
  state: Pick<PublisherState, "floor" | "isOurs" | "isLatest">,
): NextSeq {
  const { floor } = state;
  // Below the floor it is what somebody has not replaced yet.
  if (seen === undefined || seen.seq < floor) return signedAnew(value, floor, state);
  const isNewer = seen.seq > floor;
  const isThis = equalBytes(seen.value, value);
  const isOurs = !conflict &&
    (isNewer ? isThis || state.isLatest(seen.value) : state.isOurs(seen.seq, seen.value));
  if (!isOurs) {
    return { seq: seen.seq + 1, item: undefined, isAgain: false, foreign: { item: seen, conflict } };
  }
  if (isThis) return { seq: seen.seq, item: seen, isAgain: true, foreign: undefined };
  return { seq: seen.seq + 1, item: undefined, isAgain: false, foreign: undefined };
}

function signedAnew(
  value: Uint8Array,
  floor: number,
  state: Pick<PublisherState, "isOurs">,
): NextSeq {
  const isAgain = state.isOurs(floor, value);
  return { seq: isAgain ? floor : floor + 1, item: undefined, isAgain, foreign: undefined };
}
