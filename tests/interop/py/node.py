"""A node as far as its ledger goes: holds data.ldb open with LMDB, which locks data.ldb-lock. JSON lines:

    {"id": 1, "do": "open", "path": ".../data.ldb"}    answers with the number of blocks
    {"id": 2, "do": "close"}

    {"id": 3, "do": "watch", "paths": [...]}           from now on {"event": "opened", "path": ...} for each opening
"""

import ctypes
import json
import os
import struct
import sys
import threading

import lmdb

IN_OPEN = 0x20
IN_ACCESS = 0x1
libc = ctypes.CDLL(None, use_errno=True)
out = threading.Lock()


def say(message):
    with out:
        print(json.dumps(message), flush=True)


def watch(paths):
    fd = libc.inotify_init()
    names = {}
    for path in paths:
        names[libc.inotify_add_watch(fd, path.encode(), IN_OPEN | IN_ACCESS)] = path
    if -1 in names:
        raise OSError(ctypes.get_errno(), "inotify_add_watch")

    def listen():
        while True:
            data = os.read(fd, 65536)
            while data:
                number, _, _, length = struct.unpack_from("iIII", data)
                say({"event": "opened", "path": names[number]})
                data = data[16 + length:]

    threading.Thread(target=listen, daemon=True).start()


environment = None
say({"event": "ready"})
for line in sys.stdin:
    request = json.loads(line)
    answer = {"id": request["id"]}
    try:
        if request["do"] == "open":
            environment = lmdb.open(request["path"], subdir=False, max_dbs=16, map_size=1 << 34)
            blocks = environment.open_db(b"blocks", create=False)
            with environment.begin(blocks) as transaction:
                answer["blocks"] = transaction.stat()["entries"]
        elif request["do"] == "close":
            environment.close()
        elif request["do"] == "watch":
            watch(request["paths"])
    except Exception as error:
        answer["error"] = str(error)
    say(answer)
