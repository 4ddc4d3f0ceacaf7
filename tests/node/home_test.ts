// Where a node's folder is looked for, and which one is taken: on the real file system, below a home of the test's own.

import assert from "node:assert/strict";
import { join } from "node:path";
import { PathUnusable } from "../../lib/errors.ts";
import { systemFiles } from "../../lib/io/files.ts";
import { candidateFolders, findHome, type Network } from "../../lib/node/home.ts";
import { NO_LINKS, notOnWindows, slashed } from "../windows.ts";

const LINUX = "x86_64-unknown-linux-gnu";

/** A home with these folders (ending in a slash) and empty files, which goes afterwards. */
function withHome(names: readonly string[], check: (home: string) => void): void {
  const home = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "nano-snap-home-" }));
  try {
    for (const name of names) {
      Deno.mkdirSync(join(home, name.endsWith("/") ? name : join(name, "..")), { recursive: true });
      if (!name.endsWith("/")) Deno.writeTextFileSync(join(home, name), "");
    }
    check(home);
  } finally {
    Deno.removeSync(home, { recursive: true });
  }
}

function find(home: string, given?: string, network: Network = "live") {
  return findHome(network, given, { files: systemFiles, env: { HOME: home }, target: LINUX });
}

Deno.test("candidateFolders() are those of upstream.md 10, for each system and network", () => {
  const passwd = {
    ...systemFiles,
    read: () => new TextEncoder().encode("ann:x:1000:1000::/home/ann:/bin/sh\n"),
  };
  const cases: [Network, string, Record<string, string>, string[]][] = [
    ["live", LINUX, { HOME: "/home/bo" }, ["/home/bo/Nano", "/var/nanocurrency/Nano"]],
    ["beta", LINUX, { HOME: "/home/bo" }, ["/home/bo/NanoBeta", "/var/nanocurrency/NanoBeta"]],
    ["test", LINUX, {}, ["/var/nanocurrency/NanoTest"]],
    ["live", LINUX, { HOME: "/root", SUDO_USER: "ann" }, [
      "/home/ann/Nano",
      "/root/Nano",
      "/var/nanocurrency/Nano",
    ]],
    ["live", "aarch64-apple-darwin", { HOME: "/Users/bo" }, ["/Users/bo/Library/Nano"]],
    ["live", "x86_64-pc-windows-msvc", { LOCALAPPDATA: "/c/Local" }, ["/c/Local/Nano"]],
  ];
  for (const [network, target, env, folders] of cases) {
    assert.deepEqual(candidateFolders(network, { files: passwd, env, target }).map(slashed), folders);
  }
});

Deno.test("findHome() takes the folder with a node's files in it, and says what is there", () => {
  withHome(["Nano/data.ldb", "NanoBeta/"], (home) => {
    const directory = join(home, "Nano");
    assert.deepEqual(find(home), {
      directory,
      ledger: join(directory, "data.ldb"),
      lock: join(directory, "data.ldb-lock"),
      hasLedger: true,
      isRocksDb: false,
    });
    assert.equal(find(home, undefined, "beta").hasLedger, false);
  });
  withHome(["Nano/rocksdb/"], (home) => assert.equal(find(home).isRocksDb, true));
});

Deno.test("findHome() takes a container's /root for the folder in it, and a node's own folder as it is", () => {
  withHome(["root/Nano/data.ldb", "root/.bashrc", "own/wallets.ldb", "own/Nano/"], (home) => {
    assert.equal(find(home, join(home, "root")).directory, join(home, "root", "Nano"));
    assert.equal(find(home, join(home, "own")).directory, join(home, "own"));
  });
});

Deno.test({
  name: "findHome() follows links to the folder, and to the ledger on another disk",
  ignore: notOnWindows(NO_LINKS),
}, () => {
  withHome(["disk/Nano/config-node.toml", "big/ledger"], (home) => {
    Deno.symlinkSync(join(home, "disk", "Nano"), join(home, "Nano"));
    Deno.symlinkSync(join(home, "big", "ledger"), join(home, "disk", "Nano", "data.ldb"));
    const { directory, ledger, lock } = find(home);
    assert.deepEqual([directory, ledger, lock], [
      join(home, "disk", "Nano"),
      join(home, "big", "ledger"),
      join(home, "disk", "Nano", "data.ldb-lock"),
    ]);
  });
});

Deno.test("findHome() refuses none, two, and what is no folder, each by name", () => {
  withHome(["Nano/data.ldb", "ann/Nano/data.ldb", "file"], (home) => {
    const passwd = new TextEncoder().encode(`ann:x:1:1::${home}/ann:/bin/sh\n`);
    const files = { ...systemFiles, read: () => passwd };
    const around = { files, env: { HOME: home, SUDO_USER: "ann" }, target: LINUX };
    const cases: [() => unknown, RegExp][] = [
      [
        () => findHome("live", undefined, around),
        /there are .*ann\/Nano and .*\/Nano; name one with get --install=DIR/,
      ],
      [() => find(home, undefined, "test"), /there is no .*NanoTest, no .*; name it with get --install=DIR/],
      [() => find(home, join(home, "gone")), /gone: no such folder/],
      [() => find(home, join(home, "file")), /file: it is no folder/],
    ];
    for (const [call, why] of cases) {
      assert.throws(call, (error: unknown) => error instanceof PathUnusable && why.test(error.message));
    }
  });
});

Deno.test("findHome() passes by another user's folder, and says who may look into one that is named", () => {
  withHome(["Nano/data.ldb", "ann/Nano/data.ldb"], (home) => {
    const hers = join(home, "ann", "Nano");
    const refuse = <T>(call: (path: string) => T) => (path: string) => {
      if (path.startsWith(hers) && path !== hers) {
        throw new PathUnusable(`Cannot look at ${path}: permission denied`);
      }
      return call(path);
    };
    const files = {
      ...systemFiles,
      read: () => new TextEncoder().encode(`ann:x:1:1::${home}/ann:/bin/sh\n`),
      stat: refuse(systemFiles.stat),
      list: (path: string) => refuse(() => systemFiles.list(path))(join(path, "*")),
    };
    const around = { files, env: { HOME: home, SUDO_USER: "ann" }, target: LINUX };
    assert.equal(findHome("live", undefined, around).directory, join(home, "Nano"));
    assert.throws(
      () => findHome("live", hers, around),
      /permission denied; say the same as the node's user, or as root/,
    );
  });
});

Deno.test({
  name: "findHome() refuses a ledger that is a link to nowhere: its disk may not be mounted",
  ignore: notOnWindows(NO_LINKS),
}, () => {
  withHome(["Nano/wallets.ldb"], (home) => {
    Deno.symlinkSync(join(home, "big", "ledger"), join(home, "Nano", "data.ldb"));
    assert.throws(
      () => find(home),
      (error: unknown) =>
        error instanceof PathUnusable && /a link to a file that is not there/.test(error.message),
    );
  });
});
