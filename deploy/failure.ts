// How a build ends badly.

/** Why there is no program: one sentence. */
export class BuildFailed extends Error {}

/** What Deno wrote when it failed, as one sentence: what it was downloading, and the deepest cause. */
export function reasonIn(text: string): string {
  const lines = text.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  const url = /error sending request for url \((\S+)\)/.exec(text)?.[1];
  const cause = lines.findLast((line) => /^\d+: (?!<unknown>)/.test(line))?.replace(/^\d+: /, "");
  if (url !== undefined) return `cannot download ${url}: ${cause ?? "no answer"}`;
  const error = lines.find((line) => line.startsWith("error: "))?.slice("error: ".length) ?? lines.at(-1);
  return [error ?? "the compiler failed without a word", cause].filter((part) => part !== undefined).join(
    ": ",
  );
}
