"""Many seeds of a torrent of nothing but zeros, without a torrent program behind them: givers.py PEERS

Listens on one port of 127.0.0.2, 127.0.0.3 and so on, says that it has everything (BEP 6) and answers each request with
zeros. Writes one JSON line {"port": the port} when it listens on all. Stays until it is killed.
"""

import json
import selectors
import socket
import struct
import sys

count = int(sys.argv[1])
BLOCK = 1 << 14
REQUEST, PIECE, UNCHOKE, HAVE_ALL = 6, 7, 1, 14
zeros = bytes(BLOCK)
selector = selectors.DefaultSelector()


class Peer:
    def __init__(self, sock):
        self.sock = sock
        self.came = b""
        self.greeted = False
        self.unsent = b""

    def ready(self, mask):
        if mask & selectors.EVENT_READ:
            try:
                came = self.sock.recv(1 << 16)
            except ConnectionResetError:
                came = b""
            if not came:
                selector.unregister(self.sock)
                self.sock.close()
                return
            self.came += came
        answers = []
        if not self.greeted:
            if len(self.came) < 68:
                return
            # As they call the torrent, so do we; the fast extension, and nothing else.
            answers += [self.came[:20], bytes(7), b"\x04", self.came[28:48], b"-BE0000-", self.came[60:68][::-1], bytes(4)]
            answers += [struct.pack(">IBIB", 1, HAVE_ALL, 1, UNCHOKE)]
            self.came, self.greeted = self.came[68:], True
        at = 0
        # While much waits to be sent nothing more is made.
        while len(self.unsent) < 4 * BLOCK and len(self.came) - at >= 4:
            (length,) = struct.unpack_from(">I", self.came, at)
            if len(self.came) - at < 4 + length:
                break
            if length == 13 and self.came[at + 4] == REQUEST:
                piece, begin, size = struct.unpack_from(">III", self.came, at + 5)
                answers += [struct.pack(">IBII", 9 + size, PIECE, piece, begin), zeros[:size]]
            at += 4 + length
        self.came = self.came[at:]
        self.unsent += b"".join(answers)
        if self.unsent:
            try:
                self.unsent = self.unsent[self.sock.send(self.unsent) :]
            except BlockingIOError:
                pass
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self.unsent or self.came else 0)
        selector.modify(self.sock, events, self)


listeners = []
for number in range(count):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((f"127.0.0.{number + 2}", listeners[0].getsockname()[1] if listeners else 0))
    listener.listen()
    listener.setblocking(False)
    selector.register(listener, selectors.EVENT_READ)
    listeners.append(listener)
print(json.dumps({"port": listeners[0].getsockname()[1]}), flush=True)
while True:
    for key, mask in selector.select():
        if key.data is not None:
            key.data.ready(mask)
            continue
        sock, _ = key.fileobj.accept()
        sock.setblocking(False)
        selector.register(sock, selectors.EVENT_READ, Peer(sock))
