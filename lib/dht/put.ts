// Putting a signed item to one node, and finding out what became of it (BEP 44). An answer is no
// proof: libtorrent says yes to another value at the seq that it holds and keeps its own, and a node of
// npm:bittorrent-dht says 302 to an item that it has already. So the node is asked for the item afterwards.
//
//   put -> 203 (its token has expired) -> get, for a fresh one -> put, once more
//    |_ yes, or 302 -> get -> what it holds now
//    |_ another error, or nothing

import { type Encodable, Verbatim } from "../bencode.ts";
import { equalBytes } from "../bytes.ts";
import type { Endpoint } from "../ports.ts";
import type { Contact } from "./contact.ts";
import type { Refusal, Reply } from "./guard.ts";
import { ItemAnswers } from "./item_answers.ts";
import { signedBytes, type SignedItem, targetOf } from "./signature.ts";

/** A node that may store, with the token that it wants to see. */
export interface Holder extends Contact {
  readonly token: Uint8Array;
}

/** What became of a put at one node. */
export type PutOutcome =
  /** It returned exactly our item. */
  | { readonly kind: "stored" }
  /** It said yes, and did not return an item when it was asked. */
  | { readonly kind: "unconfirmed" }
  /** It said yes, and holds another item of the same key, at an equal or a higher seq. */
  | { readonly kind: "other"; readonly holds: SignedItem }
  /** It said no. `holds`: after a 302, what it has instead. `text`: its words. */
  | { readonly kind: "refused"; readonly code: number; readonly text: string; readonly holds?: SignedItem }
  /** It did not answer. */
  | { readonly kind: "silent" };

export interface PutAnswer {
  readonly node: Contact;
  readonly outcome: PutOutcome;
}

export interface PutOptions {
  readonly item: SignedItem;
  readonly holder: Holder;
  readonly ask: (
    to: Endpoint,
    method: "get" | "put",
    args: Readonly<Record<string, Encodable>>,
  ) => Promise<Reply | Refusal | undefined>;
}

/** Puts to one node. @throws {RangeError} When a bound of `SignedItem` does not hold. */
export async function putItem({ item, holder, ask }: PutOptions): Promise<PutAnswer> {
  signedBytes(item);
  const { id, host, port, token } = holder;
  const put = (token: Uint8Array) => ask(holder, "put", argumentsOf(item, token));
  const get = () => ask(holder, "get", { target: targetOf(item.publicKey, item.salt) });
  let answer = await put(token);
  if (answer?.kind === "refusal" && answer.code === BAD_TOKEN) {
    const fresh = tokenIn(await get());
    if (fresh !== undefined) answer = await put(fresh);
  }
  const outcome = await outcomeOf(answer, item, get);
  return { node: { id, host, port }, outcome };
}

async function outcomeOf(
  answer: Reply | Refusal | undefined,
  item: SignedItem,
  get: () => Promise<Reply | Refusal | undefined>,
): Promise<PutOutcome> {
  if (answer === undefined) return { kind: "silent" };
  const refusal = answer.kind === "refusal" ? { code: answer.code, text: answer.text } : undefined;
  if (refusal !== undefined && refusal.code !== OLD_SEQUENCE) return { kind: "refused", ...refusal };
  const holds = itemIn(await get(), item);
  if (holds !== undefined && isSame(holds, item)) return { kind: "stored" };
  if (refusal !== undefined) {
    return { kind: "refused", ...refusal, ...(holds === undefined ? {} : { holds }) };
  }
  return holds === undefined ? { kind: "unconfirmed" } : { kind: "other", holds };
}

function argumentsOf(item: SignedItem, token: Uint8Array): Record<string, Encodable> {
  const { publicKey: k, salt, seq, signature: sig, value } = item;
  return { token, k, seq, sig, v: new Verbatim(value), ...(salt.length === 0 ? {} : { salt }) };
}

function tokenIn(answer: Reply | Refusal | undefined): Uint8Array | undefined {
  return answer?.kind === "reply" ? answer.body.bytes("token")?.slice() : undefined;
}

/** The verified item of the same key and salt in an answer. */
function itemIn(
  answer: Reply | Refusal | undefined,
  { publicKey, salt }: SignedItem,
): SignedItem | undefined {
  if (answer?.kind !== "reply") return undefined;
  const found = new ItemAnswers({ publicKey, salt });
  found.take(answer.body);
  return found.best;
}

/** Whether two verified items of one key and salt say the same. Signatures of one thing may differ. */
export function isSame(a: Pick<SignedItem, "seq" | "value">, b: Pick<SignedItem, "seq" | "value">): boolean {
  return a.seq === b.seq && equalBytes(a.value, b.value);
}

/** Also for other faults in a message; then a fresh token changes nothing. */
const BAD_TOKEN = 203;
const OLD_SEQUENCE = 302;
