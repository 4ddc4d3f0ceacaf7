// Where Windows is another: what of a test goes there too, and what is left out and why.

export const isWindows = Deno.build.os === "windows";

const said = new Set<string>();

/** Whether a test is left out on Windows. It says so there, once for each reason. */
export function notOnWindows(why: string): boolean {
  if (isWindows && !said.has(why)) {
    said.add(why);
    Deno.stderr.writeSync(new TextEncoder().encode(`some tests are left out on Windows: ${why}\n`));
  }
  return isWindows;
}

/** Windows wants a right for it, or a setting. */
export const NO_LINKS = "they make symbolic links";
export const NO_MODES = "files there have no modes";

/** A path as it is written elsewhere. */
export function slashed(path: string): string {
  return isWindows ? path.replaceAll("\\", "/") : path;
}
