// Where a release's files are, by the same rules as install.sh's: GitHub's paths, or a base of the user's own.

import { isLoopback } from "../endpoint.ts";
import { UsageError } from "../errors.ts";
import { RELEASES_URL } from "../about.ts";

/**
 * The folders that may hold the release's files, the first that has SHA256SUMS being the one.
 *
 * @param base NANO_SNAP_BASE_URL: a folder with the files of one release, or the root of a mirror with GitHub's paths.
 * @param version undefined: the newest.
 * @throws {UsageError} When the base is none that can be trusted: https only, except http from this machine.
 */
export function releaseFolders(base: string | undefined, version: string | undefined): string[] {
  const path = version === undefined ? "latest/download" : `download/v${version}`;
  if (base === undefined) return [`${RELEASES_URL}/${path}`];
  const plain = base.replace(/\/$/, "");
  const url = URL.parse(plain);
  const isSecure = url?.protocol === "https:" || (url?.protocol === "http:" && isLoopback(url.hostname));
  if (url === null || !isSecure || url.username !== "" || url.password !== "" || /[\s?#]/.test(plain)) {
    // What may be a password is not repeated.
    const what = base.includes("@") ? "one with an @" : base;
    throw new UsageError(
      `NANO_SNAP_BASE_URL must be https://... (or http://127.0.0.1; from a folder, install.sh installs), not ${what}`,
    );
  }
  return [plain, `${plain}/${path}`];
}
