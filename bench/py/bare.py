"""What a transfer takes of the machine itself, without any protocol: bare.py FILE COPY

One process gives the file with sendfile. The other takes it with recv, has OpenSSL make the SHA-256 of each 16 KiB, and
writes 512 KiB at once; two threads share the hashing and writing, as ours do. Prints what our log would tell: how long
it took from the first byte to the last write.
"""

import hashlib
import json
import os
import queue
import socket
import sys
import threading
import time

BLOCK = 16 << 10
RUN = 512 << 10
# More than that waits for the other thread: the one that reads does its own.
MUCH = 2


def give(listener, path):
    conn, _ = listener.accept()
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        at = 0
        while at < size:
            at += os.sendfile(conn.fileno(), file.fileno(), at, 1 << 20)
    conn.close()


def take(port, target, size):
    conn = socket.create_connection(("127.0.0.1", port))
    fd = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    os.ftruncate(fd, size)
    free, full = queue.SimpleQueue(), queue.SimpleQueue()
    for _ in range(16):
        free.put(memoryview(bytearray(RUN)))

    def keep(room, at, count):
        for begin in range(0, count, BLOCK):
            hashlib.sha256(room[begin : min(begin + BLOCK, count)]).digest()
        os.pwrite(fd, room[:count], at)
        free.put(room)

    def work():
        while (job := full.get()) is not None:
            keep(*job)

    other = threading.Thread(target=work)
    other.start()
    started = time.monotonic()
    at = 0
    while at < size:
        room, count = free.get(), 0
        while count < RUN and at + count < size:
            got = conn.recv_into(room[count : min(RUN, size - at)])
            assert got > 0, "the other end is gone"
            count += got
        if full.qsize() > MUCH:
            keep(room, at, count)
        else:
            full.put((room, at, count))
        at += count
    full.put(None)
    other.join()
    return 1000 * (time.monotonic() - started)


def main():
    path, target = sys.argv[1:]
    listener = socket.create_server(("127.0.0.1", 0))
    giver = os.fork()
    if giver == 0:
        give(listener, path)
        os._exit(0)
    ms = take(listener.getsockname()[1], target, os.path.getsize(path))
    # What the giver took counts as this process's children's.
    _, status = os.waitpid(giver, 0)
    assert status == 0, "the giver failed"
    print(json.dumps({"transferMs": ms}))


main()
