// What a look at one thing has found: the word that counts, a sentence, and what would help.

/** In rising order of harm. "warn": a run may do without. "fail": a run cannot do its work. */
export type Verdict = "ok" | "warn" | "fail";

export interface Finding {
  /** One word: "space", "port". */
  readonly name: string;
  readonly verdict: Verdict;
  /** What is so. */
  readonly text: string;
  /** What would help; undefined when nothing need be done. */
  readonly remedy: string | undefined;
}

export function ok(name: string, text: string): Finding {
  return { name, verdict: "ok", text, remedy: undefined };
}

export function warn(name: string, text: string, remedy: string): Finding {
  return { name, verdict: "warn", text, remedy };
}

export function fail(name: string, text: string, remedy: string): Finding {
  return { name, verdict: "fail", text, remedy };
}

/** The worst of all; "ok" for none. */
export function worstOf(findings: readonly Finding[]): Verdict {
  for (const verdict of ["fail", "warn"] as const) {
    if (findings.some((finding) => finding.verdict === verdict)) return verdict;
  }
  return "ok";
}
