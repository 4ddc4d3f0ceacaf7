// `nano-snap version`: which build this is and whom it trusts. It loads nothing heavy: scripts call it often.

import type { Command } from "commander";
import { EMBEDDED_AUTHORITY, VERSION } from "../about.ts";
import type { CliContext } from "./context.ts";

/** Adds the command to the program. */
export function addVersion(program: Command, context: CliContext): void {
  const command = program.command("version")
    .summary("which build this is and whom it trusts")
    .description("Says the version, what runs it, and the authority key that is built in.")
    .option("--json", "write one JSON object");
  command.action(() => {
    const isJson = command.opts()["json"] === true;
    context.stdout(isJson ? versionJson(context) : versionText(context));
  });
}

/** One line for people, and the key under it. */
export function versionText(context: Pick<CliContext, "runtime" | "target">): string {
  return `nano-snap ${VERSION} (${context.runtime}, ${context.target})\nauthority ${EMBEDDED_AUTHORITY}\n`;
}

function versionJson(context: CliContext): string {
  const facts = {
    name: "nano-snap",
    version: VERSION,
    runtime: context.runtime,
    target: context.target,
    authority: EMBEDDED_AUTHORITY,
  };
  return JSON.stringify(facts) + "\n";
}
