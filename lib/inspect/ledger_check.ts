// A ledger's pages and what is in them, as two lines: whether LMDB can read all of it, and whether it is what a Nano
// node keeps.

import { VerificationFailed } from "../errors.ts";
import type { Report } from "../events.ts";
import type { Examination } from "../ledger/examination.ts";
import type { LedgerFacts } from "../ledger/facts.ts";
import { minimumNode } from "../ledger/node_version.ts";
import type { Check } from "./checks.ts";
import { examinationProgress, ledgerFactsAt } from "./inspect.ts";
import type { InspectMachine } from "./machine.ts";

export async function checkLedger(
  path: string,
  { machine, report, signal }: { machine: InspectMachine; report: Report; signal: AbortSignal },
): Promise<Check[]> {
  try {
    const facts = ledgerFactsAt(path, machine);
    const onProgress = examinationProgress(report);
    const examined = await machine.examiner.examine({ path, tables: "all", signal, onProgress });
    return [structureCheck(path, examined), contentCheck(path, facts, examined)];
  } catch (error) {
    if (!(error instanceof VerificationFailed)) throw error;
    return [{ path, check: "structure", result: "bad", detail: error.message }];
  }
}

function structureCheck(path: string, examined: Examination): Check {
  const { tables, problems, problemCount, lostPages = 0, pages, claimedPages } = examined;
  const about = { path, check: "structure" } as const;
  if (problemCount > 0) {
    const [first] = problems;
    const count = problemCount === 1 ? "1 problem" : `${problemCount} problems`;
    return {
      ...about,
      result: "bad",
      detail: `${count}, the first in ${first!.table}: ${first!.text}`,
      problems,
    };
  }
  const seen = `${pages} pages, ${tables.length} tables, ${examined.freePages} pages free`;
  const odd = [
    ...(lostPages > 0 ? [`${lostPages} pages are neither in use nor free`] : []),
    ...(pages < claimedPages ? [`${claimedPages - pages} free pages at its end are missing`] : []),
  ];
  if (odd.length === 0) return { ...about, result: "good", detail: seen };
  return { ...about, result: "warning", detail: `${seen}; ${odd.join("; ")}` };
}

function contentCheck(path: string, facts: LedgerFacts, examined: Examination): Check {
  const about = { path, check: "ledger" } as const;
  const { version, block_count: blocks, account_count: accounts, network } = facts;
  if (version === undefined || blocks === undefined || accounts === undefined) {
    return { ...about, result: "bad", detail: "it has not the tables of a Nano node's ledger" };
  }
  const { accountBlocks, cementedCount } = examined;
  const node = minimumNode(version);
  const detail =
    `version ${version}${node === undefined ? "" : ` (node ${node} or later)`}, ${blocks} blocks, ` +
    `${cementedCount ?? "?"} cemented, ${accounts} accounts, ${network} network`;
  if (accountBlocks !== undefined && accountBlocks !== blocks) {
    return { ...about, result: "warning", detail: `${detail}; its accounts claim ${accountBlocks} blocks` };
  }
  return { ...about, result: "good", detail };
}
