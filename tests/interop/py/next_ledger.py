"""Writes what becomes of a ledger when a node goes on with it: next_ledger.py OLD NEW SHARE

NEW is OLD after SHARE (0.001: 0.1 %) as many blocks again, in transactions of some hundred, each with what a node writes
beside a block. The same file each time.
"""

import lmdb
import os
import random
import shutil
import struct
import sys

PER_TRANSACTION = 400


def main():
    old, new, share = sys.argv[1], sys.argv[2], float(sys.argv[3])
    shutil.copyfile(old, new)
    rng = random.Random(sys.argv[3])
    some = rng.randbytes
    size = 4 * os.path.getsize(old) + (1 << 28)
    with lmdb.open(new, subdir=False, lock=False, sync=False, writemap=True, max_dbs=20, map_size=size) as env:
        names = ["accounts", "blocks", "confirmation_height", "pending"]
        tables = {name: env.open_db(name.encode()) for name in names}
        with env.begin() as txn:
            count = txn.stat(tables["blocks"])["entries"]
        left = max(1, round(count * share))
        while left > 0:
            with env.begin(write=True) as txn:
                for _ in range(min(left, PER_TRANSACTION)):
                    txn.put(some(32), some(216), db=tables["blocks"])
                    accounts = txn.cursor(tables["accounts"])
                    accounts.set_range(some(32)) or accounts.first()
                    account = accounts.key()
                    accounts.put(account, some(120) + struct.pack("<Q", 9) + b"\x02")
                    txn.put(account, struct.pack("<Q", 8) + some(32), db=tables["confirmation_height"])
                    txn.put(account + some(32), some(33), db=tables["pending"])
            left -= PER_TRANSACTION
        pages = env.info()["last_pgno"] + 1
    with open(new, "r+b") as file:
        file.truncate(max(pages * 4096, os.path.getsize(old)))


main()
