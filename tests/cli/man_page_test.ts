import assert from "node:assert/strict";
import { flatten } from "../../lib/cli/command_tree.ts";
import { manPage } from "../../lib/cli/man_page.ts";
import { isHere, pipe, wholeTree, written } from "./programs.ts";

const ENV = { LC_ALL: "C.UTF-8", MANWIDTH: "1000", MANROFFOPT: "-ww" };

/** The page as it is read: words on lines far too wide to be broken. */
async function read(page: string): Promise<string> {
  const { code, stdout, stderr } = await pipe("man", ["--warnings", "--nh", "--nj", "-l", "-"], page, ENV);
  assert.deepEqual([code, stderr], [0, ""]);
  return stdout;
}

Deno.test({
  name: "man: the page has every command, option, variable and default, and man warns of nothing",
  ignore: !await isHere("man") || !await isHere("groff"),
}, async () => {
  const shown = await read(await written("man"));
  const parts = shown.split(/^ {3}(?=\S)/m);
  for (const { path, commands, options, description, epilogue } of flatten(await wholeTree())) {
    if (path.length === 1 || commands.length > 0) continue;
    const part = parts.find((one) => new RegExp(`^${path.slice(1).join(" ")}( |\n)`).test(one)) ?? "";
    assert.ok(part.includes(description), path.join(" "));
    for (const { long, value = "", meaning, preset, variable, isHidden } of options) {
      const term = `${long} ${value.replace(/[<>]/g, "")}`.trimEnd();
      const isShown = new RegExp(`^ {7}(-\\w, )?${term.replaceAll(/[[\]]/g, "\\$&")}( |$)`, "m").test(
        part,
      );
      assert.equal(isShown, !isHidden, `${path.join(" ")} ${term}`);
      if (isHidden) continue;
      for (const words of [meaning, preset, variable]) assert.ok(part.includes(words ?? ""), words);
    }
    for (const line of epilogue.split("\n")) assert.ok(part.includes(line), line);
  }
  for (const part of ["NAME", "SYNOPSIS", "ENVIRONMENT", "EXIT STATUS", "FILES"]) {
    assert.match(shown, new RegExp(`^${part}$`, "m"));
  }
});

Deno.test("manPage() lets no text be taken for a request, and keeps hyphens and backslashes", () => {
  const node = {
    path: ["x", "y"],
    aliases: [],
    summary: "",
    description: ".TH evil\n'so /etc/passwd\nC:\\new \\fB--flag",
    operands: [],
    options: [],
    commands: [],
    epilogue: ".EE\nrest",
  };
  const page = manPage({ ...node, path: ["x"], description: "X.", commands: [node] }, {
    version: '1"2',
    date: "",
  });
  assert.doesNotMatch(page, /^(\.TH evil|'so|\.EE\nrest)/m);
  assert.ok(page.includes("\\&.TH evil\n\\&'so /etc/passwd\nC:\\enew \\efB\\-\\-flag\n"));
  assert.ok(page.startsWith('.TH "X" "1" "" "x 1\\(dq2" "User Commands"\n'));
});
