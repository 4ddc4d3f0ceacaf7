"""Writes a ledger with LMDB itself, page after page as chance has it: ledger.py FILE MIB

Node-like tables; keys are random and come in transactions of some ten thousand, so that pages are split, copied and
freed as in a node's own file. The same file each time.
"""

import lmdb
import random
import struct
import sys

PER_TRANSACTION = 40_000


def main():
    path, mib = sys.argv[1], int(sys.argv[2])
    rng = random.Random(11)
    some = rng.randbytes
    names = ["accounts", "blocks", "confirmation_height", "meta", "pending", "pruned"]
    with lmdb.open(
        path, subdir=False, lock=False, sync=False, writemap=True, max_dbs=20, map_size=4 * mib << 20
    ) as env:
        tables = {name: env.open_db(name.encode()) for name in names}
        with env.begin(write=True) as txn:
            txn.put((1).to_bytes(32, "big"), (24).to_bytes(32, "big"), db=tables["meta"])
        while env.info()["last_pgno"] * 4096 < mib << 20:
            with env.begin(write=True) as txn:
                blocks = txn.cursor(tables["blocks"])
                for key in sorted(some(32) for _ in range(PER_TRANSACTION)):
                    blocks.put(key, some(216))
                for key in sorted(some(32) for _ in range(PER_TRANSACTION // 8)):
                    txn.put(key, some(120) + struct.pack("<Q", 8) + b"\x02", db=tables["accounts"])
                    txn.put(key, struct.pack("<Q", 7) + some(32), db=tables["confirmation_height"])
                    txn.put(key + some(32), some(33), db=tables["pending"])
        pages = env.info()["last_pgno"] + 1
    with open(path, "r+b") as file:
        file.truncate(pages * 4096)


main()
