// What a node's folder says to a torrent before anything of it is fetched.

import assert from "node:assert/strict";
import { join } from "node:path";
import { utf8 } from "../../lib/bytes.ts";
import { NotEnoughSpace } from "../../lib/errors.ts";
import type { RunEvent } from "../../lib/events.ts";
import { SystemMachine } from "../../lib/io/machine.ts";
import { type InstallMachine, NodePlace, nodeWatch, spacePlan } from "../../lib/mirror/node_place.ts";
import { findHome } from "../../lib/node/home.ts";
import { Staging } from "../../lib/node/staging.ts";
import type { Files, Holder } from "../../lib/ports.ts";
import type { Info } from "../../lib/torrent/metainfo.ts";

function infoOf(parts: Partial<Info>): Info {
  return { name: "nano-ledger-snapshot.7z", totalLength: 1000, xSnapshot: undefined, ...parts } as Info;
}

function withPlace(
  check: (place: NodePlace, heard: string[], directory: string) => void,
  changes: { nodeMajor?: number; freeBytes?: number } = {},
): void {
  const directory = Deno.realPathSync(Deno.makeTempDirSync());
  const system = new SystemMachine("nano-snap test");
  const freeBytes = changes.freeBytes;
  const files = { ...system.files, ...(freeBytes === undefined ? {} : { freeBytes: () => freeBytes }) };
  const machine: InstallMachine = { ...system, client: system.client, files };
  const heard: string[] = [];
  const home = findHome("live", directory, { files, env: {}, target: "linux" });
  {
    using staging = Staging.open(machine, home);
    const place = new NodePlace({
      machine,
      home,
      wish: { network: "live", backup: true, force: false, lowDisk: false },
      staging,
      left: { kind: "nothing" },
      nodeVersion: { major: changes.nodeMajor ?? 26, minor: 1 },
      report: (event: RunEvent) =>
        void (event.kind === "note" && heard.push(`${event.level}: ${event.text}`)),
      signal: new AbortController().signal,
    });
    check(place, heard, directory);
  }
  assert.deepEqual([...Deno.readDirSync(directory)], [], "an empty staging folder goes");
  Deno.removeSync(directory);
}

Deno.test("examine() warns once, before anything is fetched, where the stream tells a ledger version that is too new", () => {
  const info = infoOf({ xSnapshot: utf8('{"format":"ldb","ledger_version":24}') });
  withPlace((place, heard) => {
    place.examine(info);
    place.examine(info);
    assert.equal(heard.length, 1);
    assert.match(heard[0]!, /^warning: The node here is V26\.1.*needs V27\.0 or later/);
  });
  withPlace((place, heard) => {
    place.examine(info);
    assert.deepEqual(heard, []);
  }, { nodeMajor: 27 });
  withPlace((place, heard) => {
    place.examine(infoOf({}));
    assert.deepEqual(heard, []);
  });
});

Deno.test("examineSpace() counts a raw ledger as it is and an archive's at twice its size, beside what is to come", () => {
  const reserve = 64 << 20;
  const cases: [Partial<Info>, number][] = [
    [{ name: "data.ldb", totalLength: 5000 }, 5000],
    [{ totalLength: 5000 }, 10_000],
  ];
  for (const [parts, ledgerBytes] of cases) {
    for (const [spare, fits] of [[0, true], [-1, false]] as const) {
      const free = ledgerBytes + 700 + reserve + spare;
      withPlace((place, _heard, directory) => {
        const space = {
          info: infoOf(parts),
          missingBytes: 700,
          folder: join(directory, "data"),
          passingBytes: 100,
        };
        if (fits) return place.examineSpace(space);
        assert.throws(() => place.examineSpace(space), NotEnoughSpace);
      }, { freeBytes: free });
    }
  }
});

Deno.test("tellStarted() warns of who has the new ledger open, with the command that stops it, and of nobody else", () => {
  const directory = Deno.realPathSync(Deno.makeTempDirSync());
  const system = new SystemMachine("nano-snap test");
  const home = findHome("live", directory, { files: system.files, env: {}, target: "linux" });
  const wish = { network: "live", backup: true, force: false, lowDisk: false } as const;
  const heard: string[] = [];
  const report = (event: RunEvent) =>
    void (event.kind === "note" && heard.push(`${event.level}: ${event.text}`));
  using staging = Staging.look(system, home);
  const cases: (Holder[] | undefined)[] = [undefined, [], [{ pid: 12, name: "nano_node", cgroup: "" }]];
  for (const holders of cases) {
    const programs = { ...system.programs, holders: () => holders };
    const machine: InstallMachine = { ...system, client: system.client, programs };
    nodeWatch({ machine, home, wish, staging, report }).tellStarted();
  }
  assert.equal(heard.length, 1);
  assert.match(
    heard[0]!,
    /^warning: The node was started .*process 12 \(nano_node\): .*lock file; .*: kill 12$/,
  );
  Deno.removeSync(directory);
});

Deno.test("spacePlan() takes subvolumes, which have the same room, for one disk", () => {
  const directory = Deno.realPathSync(Deno.makeTempDirSync());
  const data = join(directory, "data");
  const system = new SystemMachine("nano-snap test");
  const home = findHome("live", directory, { files: system.files, env: {}, target: "linux" });
  const isOneDisk = (freeForArchive: number) => {
    const files: Files = {
      ...system.files,
      stat: (path) => {
        const facts = system.files.stat(path === data ? directory : path);
        return facts && { ...facts, device: facts.device + (path === data ? 1 : 0) };
      },
      freeBytes: (path) => path === data ? freeForArchive : 1e12,
    };
    const machine: InstallMachine = { ...system, client: system.client, files };
    const wish = { network: "live", backup: true, force: false, lowDisk: false } as const;
    const archive = { info: infoOf({}), missingBytes: 700, folder: data, passingBytes: 100 };
    return spacePlan(archive, { machine, home, wish }).isOneDisk;
  };
  assert.deepEqual([isOneDisk(1e12), isOneDisk(1e12 - 1)], [true, false]);
  Deno.removeSync(directory);
});
