"""What swarm.py does without a session: torrents from files, keys, and single DHT queries."""

import hashlib
import json
import os
import socket

import libtorrent as lt

HOST = "127.0.0.1"
KINDS = {"hybrid": 0, "v1": lt.create_torrent.v1_only, "v2": lt.create_torrent.v2_only}
PADDING = {
    None: 0,
    "tail": lt.create_torrent.canonical_files,
    "no tail": lt.create_torrent.canonical_files_no_tail_padding,
}


def expanded_key(seed):
    """RFC 8032's private scalar and prefix, which is what libtorrent calls a private key."""
    key = bytearray(hashlib.sha512(seed).digest())
    key[0] &= 248
    key[31] = (key[31] & 63) | 64
    return bytes(key)


def short_v2(hashes):
    return lt.sha1_hash(bytes.fromhex(str(hashes.v2))[:20])


def torrent_of(path):
    # Its own limit, 10 MB, is below what a hybrid torrent of 262,144 pieces takes.
    return lt.torrent_info(path, {"max_buffer_size": 64 << 20})


def create_torrent(path, torrent, kind, piece_size, trackers, web_seeds, x_snapshot, name, padding=None):
    parent, own_name = os.path.split(path)
    files = lt.file_storage()
    lt.add_files(files, path)
    creator = lt.create_torrent(files, piece_size=piece_size, flags=KINDS[kind] | PADDING[padding])
    for tracker in trackers:
        creator.add_tracker(tracker, 0)
    for web_seed in web_seeds:
        creator.add_url_seed(web_seed)
    lt.set_piece_hashes(creator, parent)
    entry = creator.generate()
    entry.pop(b"creation date", None)
    info = entry[b"info"]
    if name is not None:
        info[b"name"] = name.encode()
        if b"file tree" in info:
            info[b"file tree"] = {name.encode(): info[b"file tree"][own_name.encode()]}
    if x_snapshot is not None:
        info[b"x-snapshot"] = json.dumps(x_snapshot, separators=(",", ":")).encode()
    with open(torrent, "wb") as out:
        out.write(lt.bencode(entry))
    made = torrent_of(torrent)
    hashes = made.info_hashes()
    v1 = str(hashes.v1) if hashes.has_v1() else None
    v2 = str(hashes.v2) if hashes.has_v2() else None
    inside = made.files()
    real = [i for i in range(inside.num_files()) if not inside.file_flags(i) & lt.file_storage.flag_pad_file]
    return {
        "torrent": torrent,
        "v1": v1,
        "v2": v2,
        "magnet": lt.make_magnet_uri(made),
        "magnet_v2": f"magnet:?xt=urn:btmh:1220{v2}" if v2 else None,
        "size": sum(inside.file_size(i) for i in real),  # total_size() counts the padding
        "pieces": made.num_pieces(),
        "name": made.name(),
    }


def krpc(port, query, arguments):
    """One BEP 5 query to a node, from a socket of its own."""
    arguments = {b"id": hashlib.sha1(b"raw").digest(), **arguments}
    message = lt.bencode({b"t": b"aa", b"y": b"q", b"q": query, b"a": arguments})
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(5)
        udp.connect((HOST, port))
        udp.send(message)
        while True:
            answer = lt.bdecode(udp.recv(4096))
            if answer.get(b"t") == b"aa" and answer.get(b"y") != b"q":
                return answer
