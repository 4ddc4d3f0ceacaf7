// Completion for fish: one `complete` line per command and option, each with the place where it is offered.

import { type CommandNode, flatten, offeredAt, type OptionNode } from "./command_tree.ts";

/** The file nano-snap.fish. */
export function fishCompletions(tree: CommandNode): string {
  const name = tree.path[0]!;
  const nodes = flatten(tree);
  const groups = nodes.filter(({ commands }) => commands.length > 0);
  return `# fish completion for ${name}, made by \`${name} completions fish\`.

# Whether the words before the cursor name exactly this command.
function __nano_snap_at
    set -l at
    for word in (commandline -opc)[2..-1]
        switch "$at/$word"
${nodes.flatMap(stepsTo).join("\n")}
        end
    end
    test "$at" = "$argv[1]"
end

complete -c ${name} -f
${groups.flatMap(commandLines).join("\n")}
${nodes.flatMap(optionLines).join("\n")}
`;
}

function place(path: readonly string[]): string {
  return path.slice(1).map((word) => `/${word}`).join("");
}

function stepsTo({ path, aliases }: CommandNode): string[] {
  if (path.length === 1) return [];
  const above = place(path.slice(0, -1));
  const patterns = [path.at(-1)!, ...aliases].map((word) => `${above}/${word}`);
  return [`            case ${patterns.join(" ")}`, `                set at ${place(path)}`];
}

function commandLines({ path, commands }: CommandNode): string[] {
  return commands.map((one) => `${lineFor(path)} -a ${one.path.at(-1)} -d ${quoted(one.summary)}`);
}

function optionLines(node: CommandNode): string[] {
  const { path, operands } = node;
  return [
    `${lineFor(path)} -s h -l help -d 'say this'`,
    ...offeredAt(node).map((option) =>
      [lineFor(path), `-l ${option.long.slice(2)}`, valueOf(option), `-d ${quoted(option.meaning)}`]
        .filter((part) => part !== "").join(" ")
    ),
    ...operands.flatMap((operand) => operandLines(path, operand)),
  ];
}

function operandLines(
  path: readonly string[],
  { takes, choices }: CommandNode["operands"][number],
): string[] {
  if (takes === "choice") return [`${lineFor(path)} -a ${quoted(choices.join(" "))}`];
  return takes === "file" || takes === "folder" ? [`${lineFor(path)} -F`] : [];
}

/** Files are offered for an option only where it takes them: `-f` above holds everywhere else. */
function valueOf({ takes, choices }: OptionNode): string {
  switch (takes) {
    case "nothing":
      return "";
    case "choice":
      return `-x -a ${quoted(choices.join(" "))}`;
    case "file":
      return "-r -F";
    case "folder":
      return "-x -a '(__fish_complete_directories)'";
    default:
      return "-x";
  }
}

function lineFor(path: readonly string[]): string {
  return `complete -c ${path[0]} -n '__nano_snap_at "${place(path)}"'`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
