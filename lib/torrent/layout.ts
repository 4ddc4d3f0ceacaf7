/** Bytes of a block: what a request names and a leaf hashes (BEP 3, BEP 52). */
export const BLOCK_BYTES = 16384;
