// How a command's end in failure is told: one sentence for people on stderr, one object for scripts on stdout where
// they asked for JSON, and a number. A failure that has no sentence of its own is our bug and says so.

import { EXIT, OperationFailed, SnapError, VerificationFailed } from "../errors.ts";
import { ISSUES_URL, VERSION } from "../about.ts";
import { printable } from "../format.ts";

export interface Failure {
  readonly exitCode: number;
  /** Whole lines for stderr. */
  readonly text: string;
  /** One line for stdout, for a run with --json. */
  readonly json: string;
}

/** A verification that came to a bad end after its result was written: for scripts that is the one answer. */
export class ToldFailure extends VerificationFailed {}

/** The same for a machine that is not ready. */
export class ToldNotReady extends OperationFailed {}

/** Tells what ended a command. */
export function failureOf(error: unknown): Failure {
  const facts = error instanceof SnapError
    ? { code: error.code, message: error.message, exit_code: error.exitCode }
    : {
      code: "bug",
      message: error instanceof Error ? `${error.name}: ${error.message}` : String(error),
      exit_code: EXIT.bug,
    };
  const sentence = `nano-snap: ${printable(facts.message)}\n`;
  return {
    exitCode: facts.exit_code,
    text: error instanceof SnapError ? sentence : sentence + bugReport(error),
    json: JSON.stringify({ error: facts }) + "\n",
  };
}

function bugReport(error: unknown): string {
  const stack = error instanceof Error && error.stack !== undefined ? error.stack : String(error);
  return `This is a bug in nano-snap ${VERSION}. Please report it with the lines below: ${ISSUES_URL}\n` +
    stack.split("\n").map((line) => `  ${printable(line)}\n`).join("");
}
