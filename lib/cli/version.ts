// `nano-snap version`: which build this is and whom it trusts. It loads nothing heavy: scripts call it often.

import type { Command } from "commander";
import { BUILD, type Build, EMBEDDED_AUTHORITY, VERSION } from "../about.ts";
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

/** What it is, what it was made of, whom it trusts: a line each. The first begins "nano-snap VERSION ", for scripts. */
export function versionText(context: Pick<CliContext, "runtime" | "target">, build = BUILD): string {
  return `nano-snap ${VERSION} (${context.runtime}, ${context.target})\n${buildText(build)}\n` +
    `authority ${EMBEDDED_AUTHORITY}\n`;
}

function buildText(build: Build | undefined): string {
  if (build === undefined) return "development, run from source";
  return `commit ${build.commit} of ${build.date.slice(0, 10)}${build.modified ? ", modified" : ""}`;
}

/** One line. `commit` and `date` are "development" and null when it runs from source. */
export function versionJson(
  context: Pick<CliContext, "runtime" | "v8" | "target">,
  build: Build | undefined = BUILD,
): string {
  const facts = {
    name: "nano-snap",
    version: VERSION,
    commit: build?.commit ?? "development",
    date: build?.date ?? null,
    modified: build?.modified ?? false,
    deno: context.runtime.replace(/^deno /, ""),
    v8: context.v8,
    target: context.target,
    authority: EMBEDDED_AUTHORITY,
  };
  return JSON.stringify(facts) + "\n";
}
