"""Many peers of one seed, without a torrent program behind them:
takers.py PORT INFO_HASH PEERS BYTES PIECE_LENGTH PIECES

Each connects to 127.0.0.1:PORT (BEP 3), is interested for ever, asks for block after block while it is not choked, and
throws away what comes. Writes a JSON line {"peers": how many are connected, "bytes": how much came} twice a second until
BYTES have come; stays connected, asking for nothing more, until it is killed.
"""

import json
import selectors
import socket
import struct
import sys
import time

port, info_hash, count, wanted, piece_length, pieces = sys.argv[1:]
port, count, wanted, piece_length, pieces = (int(n) for n in (port, count, wanted, piece_length, pieces))
info_hash = bytes.fromhex(info_hash)
BLOCK = 1 << 14
WAITING = 128
SAY_S = 0.5
CHOKE, UNCHOKE, INTERESTED, PIECE = 0, 1, 2, 7
buffer = bytearray(1 << 20)
view = memoryview(buffer)
came = 0


class Peer:
    def __init__(self, number):
        # Each from an address of its own: one host may not fill a seed's places.
        self.sock = socket.create_connection(("127.0.0.1", port), source_address=(f"127.0.0.{number + 2}", 0))
        self.sock.sendall(
            b"\x13BitTorrent protocol" + bytes(8) + info_hash + b"-BE0000-%012d" % number + struct.pack(">IB", 1, INTERESTED)
        )
        self.head = bytearray()  # of a message whose begin has come
        self.head_needs = 68  # the handshake, then 5 bytes of each message
        self.skip = 0  # bytes of a message that are of no interest
        self.in_handshake = True
        self.choked = True
        self.waiting = 0
        # Each reads another part of the content, as leeches do.
        self.piece, self.begin = number * (pieces - 1) // count, 0

    def read(self):
        global came
        n = self.sock.recv_into(buffer)
        if n == 0:
            sys.exit("the seed closed a connection")
        at = 0
        while at < n:
            if self.skip > 0:
                step = min(self.skip, n - at)
                self.skip -= step
                at += step
                continue
            step = min(self.head_needs - len(self.head), n - at)
            self.head += view[at : at + step]
            at += step
            if len(self.head) == self.head_needs:
                self.take(bytes(self.head))
        if not self.choked and came < wanted and self.waiting <= WAITING // 2:
            self.ask()

    def take(self, head):
        global came
        self.head.clear()
        if self.in_handshake:
            self.in_handshake, self.head_needs = False, 4
            return
        if self.head_needs == 4:
            if head == bytes(4):
                return  # keep alive
            self.head_needs = 5
            self.head += head
            return
        self.head_needs = 4
        length, kind = struct.unpack(">IB", head)
        self.skip = length - 1
        if kind == PIECE:
            came += length - 9
            self.waiting -= 1
        elif kind == CHOKE:
            self.choked, self.waiting = True, 0
        elif kind == UNCHOKE:
            self.choked = False

    def ask(self):
        requests = []
        while self.waiting < WAITING:
            requests.append(struct.pack(">IBIII", 13, 6, self.piece, self.begin, BLOCK))
            self.waiting += 1
            self.begin += BLOCK
            if self.begin == piece_length:
                self.piece, self.begin = (self.piece + 1) % (pieces - 1), 0
        self.sock.sendall(b"".join(requests))


selector = selectors.DefaultSelector()
for number in range(count):
    peer = Peer(number)
    selector.register(peer.sock, selectors.EVENT_READ, peer)
said = 0.0
while True:
    for key, _ in selector.select(SAY_S):
        key.data.read()
    now = time.monotonic()
    if now - said >= SAY_S:
        said = now
        print(json.dumps({"peers": count, "bytes": came}), flush=True)
