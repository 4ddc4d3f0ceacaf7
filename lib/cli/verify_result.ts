// What a `verify` writes to stdout: a table with a verdict, and under it where the damage is; or one JSON object.

import { formatBytes, formatSeconds, printable } from "../format.ts";
import type { Check } from "../inspect/checks.ts";
import type { Verified } from "../inspect/verify.ts";

/** One JSON object with a newline. */
export function verifyJson({ path, isGood, checks, elapsedMs }: Verified): string {
  const object = {
    path,
    verdict: isGood ? "good" : "bad",
    checks: checks.map(({ path, check, result, detail, ranges, problems }) => ({
      path,
      check,
      result,
      detail,
      ...(ranges && {
        differing: ranges.map(({ path, begin, end, firstPiece, lastPiece }) => ({
          path,
          begin,
          end,
          first_piece: firstPiece,
          last_piece: lastPiece,
        })),
      }),
      ...(problems && {
        problems: problems.map(({ page, table, text }) => ({ page: page ?? null, table, text })),
      }),
    })),
    elapsed_ms: Math.round(elapsedMs),
  };
  return JSON.stringify(object) + "\n";
}

/** For people. Paths stand once, above their lines. */
export function verifyText(verified: Verified): string {
  const lines: string[] = [];
  let path: string | undefined;
  for (const check of verified.checks) {
    if (check.path !== path) lines.push(check.path);
    path = check.path;
    lines.push(`  ${check.check.padEnd(NAME_COLUMNS)}${check.result.padEnd(RESULT_COLUMNS)}${check.detail}`);
    lines.push(...damageOf(check));
  }
  lines.push(`${"verdict".padEnd(NAME_COLUMNS + 2)}${verdictText(verified)}`);
  const next = nextText(verified);
  if (next !== undefined) lines.push(`${"next".padEnd(NAME_COLUMNS + 2)}${next}`);
  return lines.map((line) => `${printable(line)}\n`).join("");
}

/** The verdict in a sentence. */
export function verdictText({ path, isGood, checks, elapsedMs }: Verified): string {
  const count = (result: string) => checks.filter((check) => check.result === result).length;
  const all = checks.length === 1 ? "1 check" : `${checks.length} checks`;
  const warnings = count("warning") === 0 ? "" : `, ${count("warning")} with a warning`;
  if (isGood) return `good: ${all}${warnings}, in ${formatSeconds(elapsedMs / 1000)}`;
  return `bad: ${count("bad")} of ${all} failed for ${path}${warnings}`;
}

/** What to do about it; undefined when all is well. */
function nextText({ isGood, checks }: Verified): string | undefined {
  if (isGood) return undefined;
  const isLedger = checks.some(({ check, result }) =>
    result === "bad" && (check === "structure" || check === "ledger")
  );
  const command = `nano-snap get ${isLedger ? "--extract " : ""}--force, with its --data-dir`;
  const inNode = isLedger ? " (for a node's own: get --install --force)" : "";
  return `${command}${inNode}, fetches what is not right`;
}

function damageOf({ ranges = [], problems = [] }: Check): string[] {
  const lines = [
    ...ranges.map(({ path, begin, end, firstPiece, lastPiece }) => {
      const pieces = firstPiece === lastPiece
        ? `piece ${firstPiece}`
        : `pieces ${firstPiece} to ${lastPiece}`;
      return `${pieces}: bytes ${begin} to ${end} of ${path} (${formatBytes(end - begin)})`;
    }),
    ...problems.map(({ table, text }) => `${table}: ${text}`),
  ];
  const more = lines.length - MAX_LINES;
  const shown = lines.slice(0, MAX_LINES);
  return [...shown, ...(more > 0 ? [`and ${more} more: --json has them`] : [])].map((line) => `    ${line}`);
}

const NAME_COLUMNS = 11;
const RESULT_COLUMNS = 9;
/** More than fits a screen is for a script. */
const MAX_LINES = 20;
