import assert from "node:assert/strict";
import { flatten } from "../../lib/cli/command_tree.ts";
import { manPage } from "../../lib/cli/man_page.ts";
import { isHere, pipe, wholeTree, written } from "./programs.ts";

/** The words of a page's source, without roff's escapes. */
function plain(page: string): string {
  return page.replaceAll(/\\f[BIR]|\\&/g, "").replaceAll("\\-", "-").replaceAll("\\e", "\\")
    .replaceAll("\\(dq", '"');
}

Deno.test("man writes every command, option, variable and default, and nothing hidden", async () => {
  const page = plain(await written("man"));
  const parts = page.split(/^\.SS /m);
  for (const { path, commands, options, description, epilogue } of flatten(await wholeTree())) {
    if (path.length === 1 || commands.length > 0) continue;
    const part = parts.find((one) => new RegExp(`^"${path.slice(1).join(" ")}["| ]`).test(one)) ?? "";
    assert.ok(part.includes(description), path.join(" "));
    for (const { long, value = "", meaning, preset, variable, isHidden } of options) {
      const term = `.TP\n${long} ${value.replace(/[<>]/g, "")}`.trimEnd() + "\n";
      assert.equal(part.includes(term), !isHidden, `${path.join(" ")} ${long}`);
      if (isHidden) continue;
      for (const words of [meaning, preset, variable]) assert.ok(part.includes(words ?? ""), words);
      if (variable !== undefined) assert.ok(page.includes(`.TP\n${variable}\n`), variable);
    }
    assert.ok(part.includes(epilogue), path.join(" "));
  }
  for (const part of ["NAME", "SYNOPSIS", "ENVIRONMENT", "EXIT STATUS", "FILES"]) {
    assert.ok(page.includes(`\n.SH "${part}"\n`), part);
  }
});

Deno.test({
  name: "man: man shows the page and warns of nothing",
  ignore: !await isHere("man") || !await isHere("groff"),
}, async () => {
  const env = { LC_ALL: "C.UTF-8", MANWIDTH: "100", MANROFFOPT: "-ww" };
  const { code, stdout, stderr } = await pipe("man", ["--warnings", "-l", "-"], await written("man"), env);
  assert.deepEqual([code, stderr], [0, ""]);
  assert.match(stdout, /^ {3}produce seed \[options\]$/m);
  assert.match(stdout, /^ {7}--metrics-port number$/m);
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
