// Completion for zsh: a function per command, over the shell's own `_arguments` and `_describe`.

import { type CommandNode, flatten, offeredAt, type OptionNode } from "./command_tree.ts";

/** The file `_nano-snap` for a folder of $fpath; it may be sourced too. */
export function zshCompletions(tree: CommandNode): string {
  const name = tree.path[0]!;
  return `#compdef ${name}
# zsh completion for ${name}, made by \`${name} completions zsh\`.

${flatten(tree).map(functionOf).join("\n\n")}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then ${functionName(tree)} "$@"; else compdef ${
    functionName(tree)
  } ${name}; fi
`;
}

function functionName({ path }: CommandNode): string {
  return `_${path.join("_").replaceAll("-", "_")}`;
}

function functionOf(node: CommandNode): string {
  const specs = [
    "{-h,--help}'[say this]'",
    ...offeredAt(node).map(optionSpec),
  ];
  if (node.commands.length === 0) {
    const operands = node.operands.map(({ term, takes, choices }, i) =>
      `'${i + 1}:${quoted(term.replace(/\W/g, ""))}:${actionOf({ takes, choices })}'`
    );
    return `${functionName(node)}() {\n  _arguments -s \\\n    ${
      [...specs, ...operands].join(" \\\n    ")
    }\n}`;
  }
  const commands = node.commands.map(({ path, summary }) => `    '${path.at(-1)}:${quoted(summary)}'`);
  const arms = node.commands.map((one) =>
    `    ${[one.path.at(-1), ...one.aliases].join(" | ")}) ${functionName(one)} ;;`
  );
  return `${functionName(node)}() {
  local curcontext=$curcontext context state line
  typeset -A opt_args
  local -a commands=(
${commands.join("\n")}
  )
  _arguments -s -C \\
    ${specs.join(" \\\n    ")} \\
    '1: :->command' '*:: :->rest'
  case $state in
    command) _describe command commands ;;
    rest) case $line[1] in
${arms.join("\n")}
    esac ;;
  esac
}`;
}

/** Each may come again: some lists are built so, and of the others the last counts. */
function optionSpec(option: OptionNode): string {
  const { long, value, meaning } = option;
  const help = `[${quoted(meaning).replaceAll("[", "\\[").replaceAll("]", "\\]")}]`;
  if (value === undefined) return `'*${long}${help}'`;
  return `'*${long}=${help}:${quoted(value.replace(/[<>[\]]/g, "").replaceAll(":", "\\:"))}:${
    actionOf(option)
  }'`;
}

function actionOf({ takes, choices }: Pick<OptionNode, "takes" | "choices">): string {
  switch (takes) {
    case "choice":
      return `(${choices.join(" ")})`;
    case "file":
      return "_files";
    case "folder":
      return "_files -/";
    default:
      return " ";
  }
}

/** For a place between single quotes, where colons part fields. */
function quoted(text: string): string {
  return text.replaceAll("'", "'\\''").replaceAll(/(?<!\\):/g, "\\:");
}
