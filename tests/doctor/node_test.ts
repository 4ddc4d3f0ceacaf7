// Whose program is run to learn the version of a node that runs: this test's own process stands for it.

import assert from "node:assert/strict";
import { join } from "node:path";
import { lookAtNode } from "../../lib/doctor/node.ts";
import { systemClock } from "../../lib/io/clock.ts";
import { systemFiles } from "../../lib/io/files.ts";
import type { Access, Programs } from "../../lib/ports.ts";
import { slashed } from "../windows.ts";

const ignore = Deno.build.os !== "linux";

/** The programs that were asked for their version. */
async function asked(self: number, owner: number, stat = systemFiles.stat): Promise<string[]> {
  const home = Deno.makeTempDirSync();
  Deno.mkdirSync(join(home, "Nano"));
  Deno.writeTextFileSync(join(home, "Nano", "data.ldb"), "");
  const programs: string[] = [];
  try {
    await lookAtNode({
      files: { ...systemFiles, stat },
      env: { HOME: home },
      target: "x86_64-unknown-linux-gnu",
      access: { self: { uid: self, gid: self }, ownerOf: () => ({ uid: owner, gid: owner }) } as Partial<
        Access
      > as Access,
      programs: {
        holders: () => [{ pid: Deno.pid, name: "nano_node", cgroup: "" }],
        find: () => undefined,
        run: (program: string) => {
          programs.push(program);
          return Promise.resolve({ code: 0, stderr: "" });
        },
      } as Partial<Programs> as Programs,
      clock: systemClock,
      signal: new AbortController().signal,
    });
    return programs;
  } finally {
    Deno.removeSync(home, { recursive: true });
  }
}

Deno.test(
  { name: "lookAtNode() as root runs no program of another user's or of a container", ignore },
  async () => {
    const exe = `/proc/${Deno.pid}/exe`;
    assert.deepEqual(await asked(1000, 1000), [exe]);
    assert.deepEqual(await asked(0, 0), [Deno.realPathSync(exe)]);
    assert.deepEqual(await asked(0, 1000), []);
    const elsewhere = (path: string) => {
      const facts = systemFiles.stat(path);
      return facts && { ...facts, inode: Number(facts.inode) + (path === exe ? 1 : 0) };
    };
    assert.deepEqual(await asked(0, 0, elsewhere), []);
  },
);

Deno.test("lookAtNode() says once that there is no node's folder, and which command takes one", async () => {
  const home = Deno.makeTempDirSync();
  try {
    const findings = await lookAtNode({
      files: { ...systemFiles, stat: (path) => path.startsWith(home) ? systemFiles.stat(path) : undefined },
      env: { HOME: home },
      target: "x86_64-unknown-linux-gnu",
      access: {} as Access,
      programs: {} as Programs,
      clock: systemClock,
      signal: new AbortController().signal,
    });
    const text = `there is none in ${
      slashed(home)
    }/Nano or /var/nanocurrency/Nano; elsewhere: get --install=DIR`;
    assert.deepEqual(findings.map((one) => ({ ...one, text: slashed(one.text) })), [{
      name: "node",
      verdict: "ok",
      text,
      remedy: undefined,
    }]);
  } finally {
    Deno.removeSync(home, { recursive: true });
  }
});

Deno.test("lookAtNode() warns of two folders, of which a run would have to be told one", async () => {
  const home = Deno.makeTempDirSync();
  try {
    Deno.mkdirSync(join(home, "Nano"));
    const packaged = "/var/nanocurrency/Nano";
    const findings = await lookAtNode({
      files: {
        ...systemFiles,
        stat: (path) => systemFiles.stat(path === packaged ? join(home, "Nano") : path),
        realPath: (path) => path === packaged ? packaged : systemFiles.realPath(path),
      },
      env: { HOME: home },
      target: "x86_64-unknown-linux-gnu",
      access: {} as Access,
      programs: {} as Programs,
      clock: systemClock,
      signal: new AbortController().signal,
    });
    assert.deepEqual(findings.map(({ verdict, remedy }) => [verdict, remedy]), [[
      "warn",
      "get --install=DIR",
    ]]);
    assert.match(findings[0]!.text, /^Cannot tell which node is meant: there are /);
  } finally {
    Deno.removeSync(home, { recursive: true });
  }
});
