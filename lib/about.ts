// What this build is: the two facts that are fixed when it is made.

import config from "../deno.json" with { type: "json" };
import authorityKey from "../AUTHORITY_PUBKEY" with { type: "text" };

/** Semantic version, as in CHANGELOG.md. */
export const VERSION: string = config.version;

/** The authority that a run trusts unless it is told another: an Ed25519 public key, 64 hex digits. */
export const EMBEDDED_AUTHORITY: string = authorityKey.trim();

/** Where a person says that something is broken. */
export const ISSUES_URL = "https://github.com/OpenRai/nano-snapshot-swarm/issues";
