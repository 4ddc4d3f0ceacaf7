// docs/configuration.md, made of the program: `deno task docs` writes it, tests/configuration_test.ts compares. What
// the program does not say itself (variables without a flag, flags that are taken for the Python program's sake) stands
// in the two tables here, and the test fails when one of them is missing.

import { join } from "node:path";
import { type CommandNode, flatten, type OptionNode } from "../lib/cli/command_tree.ts";
import { wholeTree } from "./cli/programs.ts";

export const PAGE = join(import.meta.dirname ?? ".", "..", "docs", "configuration.md");

/** Variables that no flag's help names. */
export const VARIABLES: Readonly<Record<string, string>> = {
  AUTHORITY_PUBKEY: "The older name of `PRODUCER_SIGNING_PUBKEY`. Both set and different: exit 2.",
  HTTP_PROXY:
    "With `HTTPS_PROXY` and `NO_PROXY`: the proxy for trackers and downloads over HTTP, as everywhere.",
  NANO_SNAP_BASE_URL: "Where `upgrade` and `install.sh` find releases, instead of the project's own page.",
  STATUS_API_URL: "A status hub that `produce run` reports each publication to.",
  TERM: "`dumb`: log lines instead of a bar.",
};

/** Flags that are taken and not advertised. */
export const ACCEPTED: Readonly<Record<string, string>> = {
  "--authority-pubkey": "`--authority`",
  "--download-timeout": "Nothing: a healthy run is not ended for the DHT's silence.",
  "--metrics-bind": "Nothing: a `get` serves no metrics.",
  "--metrics-port": "Nothing: a `get` serves no metrics.",
  "--no-metrics": "Nothing: a `get` serves no metrics.",
  "--poll-interval": "Nothing: only `swarm` polls.",
  "--private-key": "Refused with exit 2: a key on the command line is seen by everybody.",
  "--producer-signing-pubkey": "`--authority`",
  "--seed-peer": "`--peer`, but a bad entry is only a warning, as in `SEED_PEERS`.",
  "--web-seed-url": "`--web-seed`",
};

/** The page, before `deno fmt`. */
export function configurationPage(tree: CommandNode): string {
  const commands = flatten(tree).filter((node) => node.path.length > 1 && node.options.length > 0);
  return [
    INTRODUCTION,
    ...commands.flatMap(commandPart),
    "## Environment variables",
    "An empty variable counts as not set.",
    variableTable(commands),
    "## Accepted from the Python program",
    "Not in any help; they are there so that its command lines go on working.",
    hiddenTable(commands),
  ].join("\n\n") + "\n";
}

function commandPart({ path, aliases, summary, options }: CommandNode): string[] {
  const alias = aliases.length === 0 ? "" : ` Also called \`${aliases.join("`, `")}\`.`;
  const rows = options.filter(({ isHidden }) => !isHidden).map((option) => [
    code(`${option.long}${option.value === undefined ? "" : ` ${option.value}`}`),
    option.variable === undefined ? "" : code(option.variable),
    option.preset ?? "",
    meaningOf(option),
  ]);
  return [
    `## nano-snap ${path.slice(1).join(" ")}`,
    `${upperFirst(summary)}.${alias}`,
    table(["Flag", "Variable", "Default", "What it does"], rows),
  ];
}

function meaningOf({ meaning, variableNote }: OptionNode): string {
  return variableNote === undefined ? meaning : `${meaning} (the variable: ${variableNote})`;
}

function variableTable(commands: readonly CommandNode[]): string {
  const rows = new Map(Object.entries(VARIABLES).map(([name, what]) => [name, [code(name), what, ""]]));
  const known = new Map<string, { flags: Set<string>; commands: Set<string> }>();
  for (const { path, options } of commands) {
    for (const { variable, long } of options) {
      if (variable === undefined) continue;
      const entry = known.get(variable) ?? { flags: new Set(), commands: new Set() };
      known.set(variable, entry);
      entry.flags.add(code(long));
      entry.commands.add(path.slice(1).join(" "));
    }
  }
  for (const [name, { flags, commands }] of known) {
    rows.set(name, [code(name), `Stands for ${[...flags].join(", ")}`, [...commands].join(", ")]);
  }
  const sorted = [...rows].toSorted(([a], [b]) => a < b ? -1 : 1).map(([, row]) => row);
  return table(["Variable", "What it does", "Commands"], sorted);
}

function hiddenTable(commands: readonly CommandNode[]): string {
  const found = new Map<string, string[]>();
  for (const { path, options } of commands) {
    for (const { long } of options.filter(({ isHidden }) => isHidden)) {
      found.set(long, [...found.get(long) ?? [], path.slice(1).join(" ")]);
    }
  }
  const rows = [...found].toSorted(([a], [b]) => a < b ? -1 : 1).map(([long, where]) => {
    const meaning = ACCEPTED[long];
    if (meaning === undefined) throw new Error(`tests/configuration_page.ts does not say what ${long} means`);
    return [code(long), meaning, where.join(", ")];
  });
  return table(["Flag", "Means", "Commands"], rows);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** What would end a cell or be taken for a tag. */
function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll(/<(?=[^`]*$)/g, "&lt;");
}

function code(text: string): string {
  return `\`${text}\``;
}

function upperFirst(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

/** As the repository's formatter writes it. */
export async function formatted(page: string): Promise<string> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--ext", "md", "--line-width", "110", "-"],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(page));
  await writer.close();
  const { success, stdout } = await child.output();
  if (!success) throw new Error("deno fmt refuses the page");
  return new TextDecoder().decode(stdout);
}

const INTRODUCTION = `# Configuration

Every flag and every environment variable of every command, as the program has them: this page is made of it by
\`deno task docs\`, and a test fails when the two differ.

- A flag goes before its variable, a variable before the default. \`--flag value\` and \`--flag=value\` are the same.
- Times are seconds, or carry a unit: \`500ms\`, \`90s\`, \`5m\`, \`2h\`, \`1d\`. Sizes and rates are bytes (per second), or
  \`500K\`, \`1.5M\`, \`2G\`, in powers of 1000.
- \`nano-snap\` without a command means \`swarm\`; with \`--once\` among its flags, \`get\`.
- A value that makes no sense is refused with exit code 2 before anything is done.
- \`nano-snap COMMAND --help\` says the same, with examples; so does \`nano-snap man | man -l -\`.`;

if (import.meta.main) {
  Deno.writeTextFileSync(PAGE, await formatted(configurationPage(await wholeTree())));
}
