// Which torrent is meant, by the three flags that can say it.

import { UsageError } from "../errors.ts";
import type { Source } from "../mirror/options.ts";
import type { Inputs } from "./inputs.ts";
import { parseInfoHash } from "./values.ts";

/** `--magnet`, `--torrent` or `--info-hash`; undefined when none is there. @throws {UsageError} Also for two. */
export function readSource(inputs: Inputs): Source | undefined {
  const given = ["--magnet", "--torrent", "--info-hash"].map((flag) => inputs.text(flag))
    .filter((one) => one !== undefined);
  const [first, second] = given;
  if (first === undefined) return undefined;
  if (second !== undefined) throw new UsageError(`${first.name} and ${second.name} exclude each other`);
  switch (first.name) {
    case "--magnet":
      return { kind: "magnet", text: first.text };
    case "--torrent":
      return { kind: "torrent", path: first.text };
    default:
      return { kind: "infoHash", bytes: parseInfoHash(first) };
  }
}
