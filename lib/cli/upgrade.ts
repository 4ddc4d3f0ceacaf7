// `nano-snap upgrade`: words to UpgradeOptions, the result to stdout. What it does is lib/release/upgrade.ts.

import type { Command } from "commander";
import { EMBEDDED_AUTHORITY, RELEASE_PUBKEY, VERSION } from "../about.ts";
import type { UpgradeOptions, UpgradeResult } from "../release/upgrade.ts";
import { isVersion } from "../release/versions.ts";
import type { CliContext } from "./context.ts";
import { addViewOptions, Inputs, readViewSettings } from "./options.ts";
import { withView } from "./run_view.ts";
import { refused } from "./values.ts";

/** Adds the command to the program. */
export function addUpgrade(program: Command, context: CliContext): void {
  const command = program.command("upgrade")
    .summary("replace this program by the newest release")
    .description(
      "Fetches the newest release, or the one that you name, checks its sums (and its signature, once the project " +
        "has a key for that), tries it, and puts it into this program's place in one step.",
    )
    .option("--check", "only say whether there is another one")
    .option("--version <version>", "this one, older ones too (env NANO_SNAP_VERSION; default: the newest)");
  addViewOptions(command);
  command.addHelpText("after", MORE);
  command.action(async () => {
    const inputs = new Inputs(command.opts(), context.env);
    const view = readViewSettings(inputs, context.stderrIsTerminal, "upgrade");
    const wanted = readUpgradeOptions(inputs);
    const [{ upgrade }, { parseReleaseKey }, machine] = await Promise.all([
      import("../release/upgrade.ts"),
      import("../release/key.ts"),
      context.machine(),
    ]);
    const options: UpgradeOptions = {
      ...wanted,
      releaseKey: parseReleaseKey(RELEASE_PUBKEY),
      current: { version: VERSION, authority: EMBEDDED_AUTHORITY },
    };
    const result = await withView(
      view,
      context,
      (report) => upgrade(options, machine, report, context.signal),
    );
    context.stdout(view.json ? upgradeJson(result) : upgradeText(result));
  });
}

/** What the words and the environment ask for. @throws {UsageError} */
export function readUpgradeOptions(inputs: Inputs): Pick<UpgradeOptions, "base" | "version" | "checkOnly"> {
  const given = inputs.text("--version", "NANO_SNAP_VERSION");
  const version = given?.text.replace(/^v/, "");
  if (given !== undefined && version !== "latest" && !isVersion(version ?? "")) {
    throw refused(given, "a version");
  }
  return {
    base: inputs.variable("NANO_SNAP_BASE_URL")?.text,
    version: version === "latest" ? undefined : version,
    checkOnly: inputs.isOn("--check"),
  };
}

/** What happened, and what is next. */
export function upgradeText({ path, before, release, outcome }: UpgradeResult): string {
  switch (outcome) {
    case "current":
      return `${path} is current: nano-snap ${before}\n`;
    case "older":
      return `The release is ${release}, older than this nano-snap ${before}: nothing was done\n` +
        `To have it all the same: nano-snap upgrade --version ${release}\n`;
    case "available":
      return `${
        release === undefined ? "Another build" : `nano-snap ${release}`
      } is there, this is ${before}\n` +
        "Next: nano-snap upgrade\n";
    case "upgraded":
      return `${path} was nano-snap ${before} and is now ${release}\n` +
        "What runs goes on with the old one until it is started again (a service: systemctl restart nano-snap)\n";
  }
}

function upgradeJson({ path, before, release, outcome, isSigned }: UpgradeResult): string {
  const facts = { path, version: before, release: release ?? null, outcome, signed: isSigned };
  return JSON.stringify(facts) + "\n";
}

const MORE = `
Examples:
  nano-snap upgrade --check           is there a newer one?
  nano-snap upgrade                   take it
  nano-snap upgrade --version 1.2.0   take this one, though it may be older

NANO_SNAP_BASE_URL names another place for releases: a folder with the files of one, or the root of a mirror with
GitHub's paths. https only, except http from this machine.

Exit codes: 0 done or already current, 1 it does not run here, 2 usage, 4 a wrong sum, signature or authority,
5 not enough space, 6 permission or path, 8 network, 70 a bug, 130 and 143 stopped by a signal.`;
