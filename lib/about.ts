// What this build is: the facts that are fixed when it is made. deploy/compile.ts writes the commit into its copy of
// deploy/stamp.json; in a checkout that file is empty, and the build is called a development one.

import authorityKey from "../AUTHORITY_PUBKEY" with { type: "text" };
import config from "../deno.json" with { type: "json" };
import releaseKey from "../deploy/RELEASE_PUBKEY" with { type: "text" };
import stamp from "../deploy/stamp.json" with { type: "json" };

/** Semantic version, as in CHANGELOG.md. */
export const VERSION: string = config.version;

/** The authority that a run trusts unless it is told another: an Ed25519 public key, 64 hex digits. */
export const EMBEDDED_AUTHORITY: string = authorityKey.trim();

/** The text of deploy/RELEASE_PUBKEY; lib/release/key.ts reads it. */
export const RELEASE_PUBKEY: string = releaseKey;

/** What a compiled program was made of. */
export interface Build {
  /** 40 hex digits; "unknown" when it was compiled outside of a repository. */
  readonly commit: string;
  /** Of the commit, in UTC: "2026-11-22T14:02:28Z"; "unknown" as above. */
  readonly date: string;
  /** The source was not that of the commit alone. */
  readonly modified: boolean;
}

/** undefined: it runs from source. */
export const BUILD: Build | undefined = buildOf(stamp);

function buildOf(
  stamp: { commit: string | null; date: string | null; modified: boolean },
): Build | undefined {
  if (stamp.commit === null) return undefined;
  return { commit: stamp.commit, date: stamp.date ?? "unknown", modified: stamp.modified };
}

/** Where a person says that something is broken. */
export const ISSUES_URL = "https://github.com/OpenRai/nano-snapshot-swarm/issues";

/** Where releases are. install.sh has the same. */
export const RELEASES_URL = "https://github.com/OpenRai/nano-snapshot-swarm/releases";
