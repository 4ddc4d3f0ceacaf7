// What a check of a ledger has found so far: what is wrong, and what each table was seen to hold. Each thread has its
// own; in the end they are added up.

/** Something that is wrong with a page, or with a table as a whole. */
export interface Problem {
  /** Undefined when it is about no single page. */
  readonly page: number | undefined;
  /** The table's name; "free list" and "tables" for LMDB's own two. */
  readonly table: string;
  /** A sentence. */
  readonly text: string;
}

/** What was seen of one table. */
export interface Tally {
  branchPages: number;
  leafPages: number;
  overflowPages: number;
  entries: number;
  /** Of the numbers that its values hold, where they are asked for; NaN when a value has another shape. */
  sum: number;
  problems: number;
}

/** Plain data: it travels between threads. */
export interface Findings {
  /** The first of them. */
  readonly problems: Problem[];
  /** One for each table of the plan. */
  readonly tallies: Tally[];
}

export function noFindings(tables: number): Findings {
  const findings: Findings = { problems: [], tallies: [] };
  for (let i = 0; i < tables; i++) addTally(findings);
  return findings;
}

/** One more table. */
export function addTally({ tallies }: Findings): void {
  tallies.push({ branchPages: 0, leafPages: 0, overflowPages: 0, entries: 0, sum: 0, problems: 0 });
}

/** Notes a problem of the table with that number. */
export function addProblem(findings: Findings, table: number, problem: Problem): void {
  findings.tallies[table]!.problems++;
  if (findings.problems.length < MAX_PROBLEMS) findings.problems.push(problem);
}

/** Adds what another thread has found. */
export function addFindings(to: Findings, from: Findings): void {
  for (const problem of from.problems) if (to.problems.length < MAX_PROBLEMS) to.problems.push(problem);
  for (const [i, tally] of from.tallies.entries()) {
    const sum = to.tallies[i]!;
    for (const name of Object.keys(tally) as (keyof Tally)[]) sum[name] += tally[name];
  }
}

/** A file of zeros has as many problems as pages: nobody reads more than these. */
export const MAX_PROBLEMS = 50;
