// systemd's files, as far as ours use the format: sections, settings that may come several times, comments.

/** Section -> setting -> its values in their order. */
export type Unit = Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;

/** @throws {Error} For a line that is none of these. */
export function parseUnit(text: string): Unit {
  const unit: Record<string, Record<string, string[]>> = {};
  let section: Record<string, string[]> | undefined;
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const name = /^\[([A-Z][A-Za-z]+)\]$/.exec(line)?.[1];
    const [, key, value] = /^([A-Z][A-Za-z]+)=(.*)$/.exec(line) ?? [];
    if (name !== undefined) section = unit[name] ??= {};
    else if (section !== undefined && key !== undefined) (section[key] ??= []).push(value!);
    else throw new Error(`not a line of a unit: ${line}`);
  }
  return unit;
}
