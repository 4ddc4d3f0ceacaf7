// Which Nano network a ledger is of. Each begins with a block of its own, which no ledger of it lacks: an open block whose
// source, representative and account are one key. The keys are those of the node's own source; the hashes are
// BLAKE2b-256 of the key three times.

import { parseHex } from "../bytes.ts";

/** A private network, made with a genesis block of its own, is "unknown". */
export type LedgerNetwork = "live" | "beta" | "test" | "dev" | "unknown";

/** @param hasBlock Whether the ledger has the block with that hash, 32 bytes. */
export function networkOf(hasBlock: (hash: Uint8Array) => boolean): LedgerNetwork {
  return GENESIS.find(({ hash }) => hasBlock(parseHex(hash)!))?.network ?? "unknown";
}

/** The beta network was begun anew: what one has of before is a beta ledger still. */
export const GENESIS: readonly {
  readonly network: LedgerNetwork;
  readonly key: string;
  readonly hash: string;
}[] = [
  {
    network: "live",
    key: "E89208DD038FBB269987689621D52292AE9C35941A7484756ECCED92A65093BA",
    hash: "991CF190094C00F0B68E2E5F75F6BEE95A2E0BD93CEAA4A6734DB9F19B728948",
  },
  {
    network: "beta",
    key: "259A438A8F9F9226130C84D902C237AF3E57C0981C7D709C288046B110D8C8AC",
    hash: "E1227CF974C1455A8B630433D94F3DDBF495EEAC9ADD2481A4A1D90A0D00F488",
  },
  {
    network: "beta",
    key: "259A43ABDB779E97452E188BA3EB951B41C961D3318CA6B925380F4D99F0577A",
    hash: "01A92459E69440D5C1088D3B31F4CA678BE944BAB3776C2E6B7665E9BD99BD5A",
  },
  {
    network: "test",
    key: "45C6FF9D1706D61F0821327752671BDA9F9ED2DA40326B01935AB566FB9E08ED",
    hash: "B1D60C0B886B57401EF5A1DAA04340E53726AA6F4D706C085706F31BBD100CEE",
  },
  {
    network: "dev",
    key: "B0311EA55708D6A53C75CDBF88300259C6D018522FE3D4D0A242E431F9E8B6D0",
    hash: "04270D7F11C4B2B472F2854C5A59F2A7E84226CE9ED799DE75744BD7D85FC9D9",
  },
];
