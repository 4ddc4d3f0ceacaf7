// Flags and variables about web seeds, for the commands that fetch. Upstream's two flags and variables are ours too.

import { type Command, Option } from "commander";
import { webSeedUrl } from "../torrent/urls.ts";
import type { WebSeedSettings } from "../torrent/web_seeds.ts";
import { collect, type Inputs } from "./inputs.ts";
import { type Given, parseChoice, parseSize, refused } from "./values.ts";

/** Adds them to a command. */
export function addWebSeedOptions(command: Command): Command {
  return command
    .option("--web-seed <url>", "a server that has the file too; may be repeated (env WEB_SEED_URL)", collect)
    .option(
      "--web-seed-mode <mode>",
      "fallback: where peers give too little; off: never (env WEB_SEED_MODE; default: fallback)",
    )
    .option("--web-seed-limit <rate>", "the same for what web seeds send (env WEB_SEED_LIMIT; default: 0)")
    .addOption(new Option("--web-seed-url <url>").hideHelp().argParser(collect));
}

/**
 * @param warnings Gets a sentence for a variable that makes no sense: it may be upstream's.
 * @throws {UsageError}
 */
export function readWebSeeds(
  inputs: Inputs,
  warnings: string[],
): { readonly webSeeds: WebSeedSettings; readonly webSeedLimit: number | undefined } {
  const mode = inputs.text("--web-seed-mode", "WEB_SEED_MODE");
  const enabled = mode === undefined || parseChoice(mode, ["fallback", "off"]) === "fallback";
  const flags = [...inputs.list("--web-seed"), ...inputs.list("--web-seed-url")];
  const named = flags.map(parseWebSeed);
  const variable = inputs.variable("WEB_SEED_URL");
  if (variable !== undefined) {
    const url = webSeedUrl(variable.text);
    if (url === undefined) warnings.push("WEB_SEED_URL is not an http or https URL and is ignored");
    else named.push(url);
  }
  if (!enabled && flags.length > 0) warnings.push("--web-seed has no effect with --web-seed-mode off");
  const limit = inputs.text("--web-seed-limit", "WEB_SEED_LIMIT");
  const rate = limit === undefined ? 0 : parseSize(limit);
  return { webSeeds: { enabled, named }, webSeedLimit: rate === 0 ? undefined : rate };
}

function parseWebSeed(given: Given): string {
  const url = webSeedUrl(given.text);
  if (url === undefined) throw refused({ ...given, text: given.text.slice(0, 40) }, "an http or https URL");
  return url;
}
