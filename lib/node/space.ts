// Whether the whole of an installation fits, before its first byte: the archive where it is fetched, the new ledger beside
// the old one. The old ledger stays until the new one was checked and has its place, whatever becomes of it then.

import { NotEnoughSpace } from "../errors.ts";
import { formatBytes } from "../format.ts";

/** Everything in bytes. */
export interface SpacePlan {
  /** Where the archive comes, what is missing of it, and what is free there. */
  readonly archiveFolder: string;
  readonly archiveBytes: number;
  readonly archiveFreeBytes: number;
  /** With --low-disk: what the archive takes at most; undefined where that cannot be used. */
  readonly passingBytes: number | undefined;
  readonly isLowDisk: boolean;
  /** Where the new ledger comes. */
  readonly directory: string;
  readonly ledgerBytes: number;
  /** Nobody has said how large the ledger is: it is what such archives hold. */
  readonly isEstimate: boolean;
  readonly directoryFreeBytes: number;
  /** Both are on one disk. */
  readonly isOneDisk: boolean;
  /** Of the ledger there is; 0 for none. */
  readonly oldBytes: number;
  readonly keepsOld: boolean;
  /** Backups of earlier runs. */
  readonly backups: readonly { readonly name: string; readonly bytes: number }[];
}

/** What a ledger takes for each byte of its .7z: the live network's have been between 2.0 and 2.2. */
export const LEDGER_PER_ARCHIVE = 2;
/** What stays free: a full disk harms the node and the system. The unpacker's bound is the same. */
const RESERVE_BYTES = 64 << 20;
const KEPT = `${formatBytes(RESERVE_BYTES)} of which must stay free`;

/** @throws {NotEnoughSpace} With the numbers, and what would help. */
export function refuseForSpace(plan: SpacePlan): void {
  const why = shortage(plan);
  if (why === undefined) return;
  throw new NotEnoughSpace(`Cannot install into ${plan.directory}: ${[why, ...remedies(plan)].join("; ")}`);
}

/** What is missing where; undefined when it fits. */
export function shortage(plan: SpacePlan): string | undefined {
  const { archiveBytes, archiveFolder, archiveFreeBytes, directoryFreeBytes } = plan;
  const ledger = `${plan.isEstimate ? "about " : ""}${formatBytes(plan.ledgerBytes)} for the new ledger`;
  const archive = `${formatBytes(archiveBytes)} for the archive`;
  if (plan.isOneDisk) {
    if (archiveBytes + plan.ledgerBytes + RESERVE_BYTES <= directoryFreeBytes) return undefined;
    return `needs ${ledger} and ${archive} on one disk, ${formatBytes(directoryFreeBytes)} are free, ${KEPT}`;
  }
  if (plan.ledgerBytes + RESERVE_BYTES > directoryFreeBytes) {
    return `needs ${ledger}, ${formatBytes(directoryFreeBytes)} are free there, ${KEPT}`;
  }
  if (archiveBytes <= archiveFreeBytes) return undefined;
  return `needs ${archive} in ${archiveFolder}, ${formatBytes(archiveFreeBytes)} are free`;
}

/** Only what makes it fit, or adds to that. */
function remedies(plan: SpacePlan): string[] {
  const { passingBytes, isLowDisk, oldBytes, keepsOld, backups, isOneDisk } = plan;
  const helps: string[] = [];
  if (!isLowDisk && passingBytes !== undefined && passingBytes < plan.archiveBytes) {
    const all = isOneDisk ? ` (${formatBytes(passingBytes + plan.ledgerBytes)} in all)` : "";
    helps.push(`--low-disk needs ${formatBytes(passingBytes)} for the archive${all}`);
  }
  if (isOneDisk && !isLowDisk) helps.push("--data-dir on another disk takes the archive there");
  if (backups.length > 0) {
    const bytes = backups.reduce((sum, backup) => sum + backup.bytes, 0);
    const names = backups.map(({ name }) => name).join(", ");
    helps.push(`${formatBytes(bytes)} are in backups of earlier runs that may be removed (${names})`);
  }
  if (oldBytes > 0) {
    helps.push(
      `the old ledger's ${formatBytes(oldBytes)} are needed until the new one is checked and in its place: ` +
        (keepsOld ? "--no-backup frees them then, not before" : "they are free then, not before"),
    );
  }
  return helps;
}
