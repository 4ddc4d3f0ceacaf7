// The words of `get --install`: which node, and what may be done to its folder.

import type { Command } from "commander";
import { resolve } from "node:path";
import { UsageError } from "../errors.ts";
import type { InstallOptions } from "../mirror/install.ts";
import { NETWORKS } from "../node/home.ts";
import type { CliContext } from "./context.ts";
import type { Inputs } from "./options.ts";
import { parseChoice, refused } from "./values.ts";

/** What is asked of an installation; and whether only its plan. */
export interface InstallRequest {
  readonly where: InstallOptions;
  readonly isDryRun: boolean;
}

/** Adds the options to `get`. */
export function addInstallOptions(command: Command): Command {
  return command
    .option(
      "--install [dir]",
      "put data.ldb into the node's folder, found or named, while the node is stopped",
    )
    .option("--network <name>", "which node's folder --install looks for: live, beta or test (default: live)")
    .option("--dry-run", "say what --install would do, and change nothing")
    .option("--no-backup", "do not keep the node's ledger of before as data.ldb.bak-DATE")
    .option("--node-binary <file>", "the node's program, asked for its version (default: nano_node on PATH)");
}

/** @returns undefined without --install. @throws {UsageError} */
export function readInstall(
  inputs: Inputs,
  { env, target }: Pick<CliContext, "env" | "target">,
): InstallRequest | undefined {
  const folder = inputs.text("--install");
  const network = inputs.text("--network");
  const nodeBinary = inputs.text("--node-binary");
  const isDryRun = inputs.isOn("--dry-run");
  if (folder === undefined && !inputs.isOn("--install")) {
    const given = [
      isDryRun ? "--dry-run" : undefined,
      inputs.isOff("backup") ? "--no-backup" : undefined,
      network?.name,
      nodeBinary?.name,
    ].find((name) => name !== undefined);
    if (given !== undefined) throw new UsageError(`${given} needs --install`);
    return undefined;
  }
  if (folder?.text === "") throw refused(folder, "a folder");
  return {
    isDryRun,
    where: {
      directory: folder === undefined ? undefined : resolve(folder.text),
      network: network === undefined ? "live" : parseChoice(network, NETWORKS),
      backup: !inputs.isOff("backup"),
      nodeBinary: nodeBinary?.text,
      env,
      target,
    },
  };
}
