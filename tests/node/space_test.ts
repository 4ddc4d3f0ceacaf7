// Whether an installation fits, and what is said when it does not. The numbers are the live network's.

import assert from "node:assert/strict";
import { NotEnoughSpace } from "../../lib/errors.ts";
import { refuseForSpace, shortage, type SpacePlan } from "../../lib/node/space.ts";

const GB = 1e9;
const PLAN: SpacePlan = {
  archiveFolder: "/home/ann/nano-data",
  archiveBytes: 58 * GB,
  archiveFreeBytes: 200 * GB,
  passingBytes: 0.7 * GB,
  isLowDisk: false,
  directory: "/home/ann/Nano",
  ledgerBytes: 121 * GB,
  isEstimate: true,
  directoryFreeBytes: 200 * GB,
  isOneDisk: true,
  oldBytes: 118 * GB,
  keepsOld: true,
  backups: [],
};

function whyNot(changes: Partial<SpacePlan>): string {
  try {
    refuseForSpace({ ...PLAN, ...changes });
  } catch (error) {
    assert.ok(error instanceof NotEnoughSpace);
    assert.equal(error.exitCode, 5);
    return error.message;
  }
  return "";
}

Deno.test("refuseForSpace() lets through what fits, on one disk or two", () => {
  assert.equal(whyNot({}), "");
  assert.equal(whyNot({ isOneDisk: false, archiveFreeBytes: 58 * GB, directoryFreeBytes: 122 * GB }), "");
  assert.equal(whyNot({ directoryFreeBytes: 179.1 * GB }), "");
  assert.notEqual(whyNot({ directoryFreeBytes: 179 * GB }), "");
});

Deno.test("refuseForSpace() gives the numbers of one disk, and what would help", () => {
  assert.equal(
    whyNot({ directoryFreeBytes: 150 * GB, backups: [{ name: "data.ldb.bak-2026-01-01", bytes: 90 * GB }] }),
    "Cannot install into /home/ann/Nano: needs about 121.0 GB for the new ledger and 58.0 GB for the archive on one " +
      "disk, 150.0 GB are free, 67.1 MB of which must stay free; --low-disk needs 700.0 MB for the archive (121.7 GB in " +
      "all); --data-dir on another disk takes the archive there; 90.0 GB are in backups of earlier runs that may be removed (data.ldb.bak-2026-01-01); " +
      "the old ledger's 118.0 GB are needed until the new one is checked and in its place: --no-backup frees them then, " +
      "not before",
  );
});

Deno.test("shortage() names the disk that is too small", () => {
  const two = { ...PLAN, isOneDisk: false };
  assert.equal(
    shortage({ ...two, directoryFreeBytes: 100 * GB }),
    "needs about 121.0 GB for the new ledger, 100.0 GB are free there, 67.1 MB of which must stay free",
  );
  assert.equal(
    shortage({ ...two, archiveFreeBytes: 10 * GB }),
    "needs 58.0 GB for the archive in /home/ann/nano-data, 10.0 GB are free",
  );
  assert.equal(shortage({ ...two, isEstimate: false }), undefined);
  assert.doesNotMatch(
    whyNot({ ...two, archiveFreeBytes: 10 * GB, isLowDisk: true, oldBytes: 0 }),
    /low-disk|old ledger/,
  );
});
