// Which node reads which ledger (upstream.md 10): a node upgrades what is older, from version 21 on, and refuses what is
// newer than itself.

/**
 * The first release of nano_node that takes a ledger of this version.
 *
 * @returns As releases are named: "V27.0". undefined for versions that no release is known to write.
 */
export function minimumNode(ledgerVersion: number): string | undefined {
  return MINIMUM_NODES.find(({ to }) => ledgerVersion <= to && ledgerVersion >= OLDEST)?.node;
}

/** Ledgers before it cannot be upgraded any more. */
const OLDEST = 21;
/** In rising order; version 23 was an unreleased step to 24. */
const MINIMUM_NODES: readonly { readonly to: number; readonly node: string }[] = [
  { to: 21, node: "V22.0" },
  { to: 22, node: "V25.0" },
  { to: 24, node: "V27.0" },
];
