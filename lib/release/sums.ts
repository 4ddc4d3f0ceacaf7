// SHA256SUMS: the one file that a release is checked by, as `sha256sum` writes and reads it. Its first line is a comment
// with the version, so that `upgrade --check` knows it without the program; `sha256sum --check` passes over comments.

/** What a release says of itself. */
export interface Sums {
  /** undefined: it does not say. */
  readonly version: string | undefined;
  /** File name -> SHA-256 in lower-case hex. Of two lines for one name the first counts, as in install.sh. */
  readonly files: ReadonlyMap<string, string>;
}

/** Reads what a stranger may have written: a line that is none is left out. */
export function parseSums(text: string): Sums {
  let version: string | undefined;
  const files = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    version ??= /^# nano-snap (\d[0-9A-Za-z.+-]*)$/.exec(line)?.[1];
    const [, sum, name] = /^([0-9a-f]{64}) [ *](\S+)$/.exec(line) ?? [];
    if (sum !== undefined && name !== undefined && !files.has(name)) files.set(name, sum);
  }
  return { version, files };
}

/** The text of a SHA256SUMS, by name. */
export function formatSums(sums: { version: string; files: ReadonlyMap<string, string> }): string {
  const lines = [...sums.files].toSorted(([a], [b]) => a < b ? -1 : 1);
  return `# nano-snap ${sums.version}\n` + lines.map(([name, sum]) => `${sum}  ${name}\n`).join("");
}
