"""Writes LMDB files of several shapes with python3-lmdb, which carries LMDB's own code: lmdb_files.py FOLDER.

The same files each time. Nothing is synced: they are gone with the folder.
"""

import lmdb
import os
import random
import struct
import sys


def environment(folder, name):
    path = os.path.join(folder, name + ".ldb")
    return lmdb.open(path, subdir=False, lock=False, sync=False, max_dbs=300, map_size=1 << 30)


def ledger_tables(env):
    names = ["accounts", "blocks", "confirmation_height", "frontiers", "meta", "pending", "pruned", "unchecked"]
    return {name: env.open_db(name.encode()) for name in names}


def fill_ledger(env, tables, rng, blocks):
    """As a node writes: a few hundred random keys in each transaction, in all tables."""
    accounts = blocks // 8
    with env.begin(write=True) as txn:
        txn.put((1).to_bytes(32, "big"), (24).to_bytes(32, "big"), db=tables["meta"])
    for start in range(0, accounts, 40):
        with env.begin(write=True) as txn:
            for _ in range(start, min(start + 40, accounts)):
                account = rng.randbytes(32)
                info = rng.randbytes(96 + 16 + 8) + struct.pack("<Q", 8) + b"\x02"
                txn.put(account, info, db=tables["accounts"])
                txn.put(account, struct.pack("<Q", 7) + rng.randbytes(32), db=tables["confirmation_height"])
                for _ in range(8):
                    txn.put(rng.randbytes(32), rng.randbytes(216), db=tables["blocks"])
                txn.put(account + rng.randbytes(32), rng.randbytes(33), db=tables["pending"])


def ledger(folder):
    """Also leaves a free list: each transaction copies the pages that it changes."""
    with environment(folder, "ledger") as env:
        fill_ledger(env, ledger_tables(env), random.Random(1), 2400)


def deep(folder):
    """Keys as long as LMDB takes them: seven to a page."""
    rng = random.Random(2)
    with environment(folder, "deep") as env:
        table = env.open_db(b"deep")
        for _ in range(6):
            with env.begin(write=True) as txn:
                for _ in range(200):
                    txn.put(rng.randbytes(2) + b"-" * 490 + rng.randbytes(rng.randrange(2, 18)), b"x", db=table)


def overflow(folder):
    """Values of up to some 40 pages, some replaced by shorter and longer ones; odd keys."""
    rng = random.Random(3)
    with environment(folder, "overflow") as env:
        table = env.open_db(b"values")
        for turn in range(3):
            with env.begin(write=True) as txn:
                for i in range(40):
                    if turn == 0 or i % (turn + 1) == 0:
                        txn.put(b"key%06d" % i, rng.randbytes(rng.choice([3, 900, 4080, 4081, 9000, 160000])), db=table)


def deleted(folder):
    """Most of what was there is gone: emptier pages, joined pages, a long free list."""
    rng = random.Random(4)
    with environment(folder, "deleted") as env:
        table = env.open_db(b"deleted")
        keys = [rng.randbytes(32) for _ in range(12000)]
        with env.begin(write=True) as txn:
            for key in keys:
                txn.put(key, rng.randbytes(rng.randrange(1, 300)), db=table)
        rng.shuffle(keys)
        for part in range(0, 10000, 1000):
            with env.begin(write=True) as txn:
                for key in keys[part : part + 1000]:
                    txn.delete(key, db=table)


def empty(folder):
    with environment(folder, "empty") as env:
        ledger_tables(env)


def dropped(folder):
    """Tables that were filled and are empty again, or gone."""
    rng = random.Random(5)
    with environment(folder, "dropped") as env:
        tables = [env.open_db(b"table%d" % i) for i in range(3)]
        with env.begin(write=True) as txn:
            for table in tables:
                for _ in range(300):
                    txn.put(rng.randbytes(20), rng.randbytes(100), db=table)
        with env.begin(write=True) as txn:
            txn.drop(tables[0], delete=False)
            txn.drop(tables[1], delete=True)


def integers(folder):
    """Keys in another order than that of bytes."""
    rng = random.Random(6)
    with environment(folder, "integers") as env:
        numbers = env.open_db(b"integers", integerkey=True)
        reverse = env.open_db(b"reverse", reverse_key=True)
        for _ in range(4):
            with env.begin(write=True) as txn:
                for _ in range(300):
                    txn.put(struct.pack("<Q", rng.randrange(1 << 20)), rng.randbytes(40), db=numbers)
                    txn.put(rng.randbytes(7), rng.randbytes(40), db=reverse)


def plain(folder):
    """No named tables: values beside the place where their records would be."""
    rng = random.Random(7)
    with environment(folder, "plain") as env:
        with env.begin(write=True) as txn:
            for _ in range(800):
                txn.put(rng.randbytes(9), rng.randbytes(rng.choice([10, 200, 5000])))


def duplicates(folder):
    with environment(folder, "duplicates") as env:
        table = env.open_db(b"duplicates", dupsort=True)
        fixed = env.open_db(b"fixed", dupsort=True, dupfixed=True, integerdup=True)
        with env.begin(write=True) as txn:
            for i in range(2000):
                txn.put(b"key%d" % (i % 3), b"value%d" % i, db=table)
                txn.put(b"key%d" % (i % 3), struct.pack("<Q", i), db=fixed)


def main():
    folder = sys.argv[1]
    for write in [ledger, deep, overflow, deleted, empty, dropped, integers, plain, duplicates]:
        write(folder)


main()
