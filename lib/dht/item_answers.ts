// What one lookup heard about a mutable item: the verified answer with the highest seq, whether two values claim that
// seq, and how many answers were not the authority's at all (BEP 44). Signatures are checked over
// the value's bytes as they came; equal answers, which most are, are checked once.

import type { BDict } from "../bencode.ts";
import { equalBytes, toHex } from "../bytes.ts";
import { type SignedItem, verifyItem } from "./signature.ts";

export class ItemAnswers {
  readonly #publicKey: Uint8Array;
  readonly #salt: Uint8Array;
  /** Verdicts on answers, so that a hundred equal ones cost one verification. */
  readonly #verdicts = new Map<string, boolean>();
  #best: SignedItem | undefined;
  #copies = 0;
  #conflict = false;
  #forged = 0;

  constructor({ publicKey, salt }: { publicKey: Uint8Array; salt: Uint8Array }) {
    this.#publicKey = publicKey;
    this.#salt = salt;
  }

  /** The verified item with the highest seq so far. */
  get best(): SignedItem | undefined {
    return this.#best;
  }

  /** Whether two different values are signed with the highest seq. */
  get conflict(): boolean {
    return this.#conflict;
  }

  /** Answers that held exactly that item. */
  get copies(): number {
    return this.#copies;
  }

  /** Answers that held an item of another key, without a right signature, or of a wrong shape. */
  get forged(): number {
    return this.#forged;
  }

  /** Takes a reply's body. @returns Whether its item is newer than the best before. */
  take(body: BDict): boolean {
    const value = body.raw("v");
    if (value === undefined) return false;
    const item = this.#itemOf(body, value);
    if (item === undefined || !this.#isSigned(item)) {
      this.#forged++;
      return false;
    }
    if (this.#best !== undefined && item.seq <= this.#best.seq) {
      if (item.seq < this.#best.seq) return false;
      if (equalBytes(item.value, this.#best.value)) this.#copies++;
      else this.#conflict = true;
      return false;
    }
    // A copy: the views would keep the datagram.
    this.#best = { ...item, value: item.value.slice(), signature: item.signature.slice() };
    this.#copies = 1;
    this.#conflict = false;
    return true;
  }

  #itemOf(body: BDict, value: Uint8Array): SignedItem | undefined {
    const publicKey = body.bytes("k");
    const seq = body.int("seq");
    const signature = body.bytes("sig");
    if (publicKey === undefined || seq === undefined || signature?.length !== SIGNATURE_BYTES) {
      return undefined;
    }
    if (!equalBytes(publicKey, this.#publicKey) || value.length > MAX_VALUE_BYTES) return undefined;
    return { publicKey: this.#publicKey, salt: this.#salt, seq, value, signature };
  }

  #isSigned(item: SignedItem): boolean {
    const name = `${item.seq} ${toHex(item.signature)} ${toHex(item.value)}`;
    const before = this.#verdicts.get(name);
    if (before !== undefined) return before;
    const verdict = verifyItem(item);
    this.#verdicts.set(name, verdict);
    return verdict;
  }
}

const SIGNATURE_BYTES = 64;
/** BEP 44. */
const MAX_VALUE_BYTES = 1000;
