// What the threads that hash a file tell each other in a pool's control, when some hash its pieces and one the whole.

/** Behind STOP and NEXT: how many shares the hash of the whole has behind it. */
export const WHOLE = 2;

/**
 * How far the hash of the pieces and the hash of the whole may be apart: what one of them has read from the disk the other
 * one finds in the page cache, and the disk reads each byte once.
 */
export const AHEAD_BYTES = 256 << 20;

/** Nobody is woken twice; a flag that was missed is seen then. */
export const LOOK_MS = 100;
