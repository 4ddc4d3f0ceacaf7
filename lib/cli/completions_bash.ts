// Completion for bash, 3.2 (macOS) and later, without the bash-completion package: one function that finds the command
// among the words before the cursor and offers its options, its commands, or what its option takes.

import { type CommandNode, flatten, offeredAt, type OptionNode } from "./command_tree.ts";

/** The script, to be sourced. */
export function bashCompletions(tree: CommandNode): string {
  const nodes = flatten(tree);
  const name = tree.path[0]!;
  return `# bash completion for ${name}, made by \`${name} completions bash\`.
_nano_snap() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]} at= word i
  COMPREPLY=()
  # "--flag=value" comes as three words.
  if [[ $cur == = ]]; then cur=; elif [[ $prev == = ]]; then prev=\${COMP_WORDS[COMP_CWORD - 2]}; fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    case "$at/$word" in
${nodes.flatMap(stepsTo).join("\n")}
      /--once | /swarm/--once) at=/get ;;
      /-*) at=/swarm ;;
    esac
  done
  case "$at $prev" in
${nodes.flatMap(valueArms).join("\n")}
  esac
  case "$at" in
${nodes.map(wordsArm).join("\n")}
  esac
}
_nano_snap_words() {
  local IFS=$'\\n'
  COMPREPLY=($(compgen -W "\${1// /$'\\n'}" -- "$2"))
}
_nano_snap_paths() {
  local line
  compopt -o filenames 2>/dev/null
  while IFS= read -r line; do COMPREPLY[\${#COMPREPLY[@]}]=$line; done < <(compgen "$1" -- "$2")
}
complete -F _nano_snap ${name}
`;
}

/** Where the function is: "" at the program itself, then "/produce/seed". */
function place(path: readonly string[]): string {
  return path.slice(1).map((word) => `/${word}`).join("");
}

function stepsTo({ path, aliases }: CommandNode): string[] {
  if (path.length === 1) return [];
  const above = place(path.slice(0, -1));
  const patterns = [path.at(-1)!, ...aliases].map((word) => `${above}/${word}`);
  return [`      ${patterns.join(" | ")}) at=${place(path)} ;;`];
}

/** A line for each kind of value that the command's options take: those end the completion. */
function valueArms({ path, options }: CommandNode): string[] {
  const groups = new Map<string, string[]>();
  for (const option of options.filter(({ takes }) => takes !== "nothing")) {
    const offer = offerOf(option);
    groups.set(offer, [...groups.get(offer) ?? [], option.long]);
  }
  return [...groups].map(([offer, flags]) => {
    const patterns = flags.map((flag) => `"${place(path)} ${flag}"`);
    return `    ${patterns.join(" | ")})${offer} return ;;`;
  });
}

function offerOf({ takes, choices }: Pick<OptionNode, "takes" | "choices">): string {
  switch (takes) {
    case "choice":
      return ` _nano_snap_words "${choices.join(" ")}" "$cur";`;
    case "file":
      return ` _nano_snap_paths -f "$cur";`;
    case "folder":
      return ` _nano_snap_paths -d "$cur";`;
    default:
      return "";
  }
}

/** Options when one was begun; otherwise commands, or what the command works on. */
function wordsArm(node: CommandNode): string {
  const { path, commands, operands } = node;
  const flags = [...offeredAt(node).map(({ long }) => long), "--help"];
  const names = commands.map((one) => one.path.at(-1)!);
  const operand = operands[0] === undefined ? "" : offerOf(operands[0]);
  const rest = names.length > 0
    ? ` _nano_snap_words "${names.join(" ")}" "$cur";`
    : operand === ""
    ? ` _nano_snap_words "${flags.join(" ")}" "$cur";`
    : operand;
  return `    "${place(path)}")
      if [[ $cur == -* ]]; then _nano_snap_words "${flags.join(" ")}" "$cur"; else${rest} fi ;;`;
}
