"""Makes a hybrid torrent of a file with libtorrent, as upstream's producer does: create.py FILE PIECE_LENGTH

Writes one JSON line: {"hashMs": what set_piece_hashes took, "info_hash", "info_hash_v1", "libtorrent"}.
"""

import json
import os
import sys
import time

import libtorrent as lt

path, piece_length = sys.argv[1], int(sys.argv[2])
files = lt.file_storage()
lt.add_files(files, path)
creator = lt.create_torrent(files, piece_size=piece_length)
started = time.monotonic()
lt.set_piece_hashes(creator, os.path.dirname(path))
hash_s = time.monotonic() - started
hashes = lt.torrent_info(creator.generate()).info_hashes()
answer = {
    "hashMs": 1000 * hash_s,
    "info_hash": str(hashes.v2),
    "info_hash_v1": str(hashes.v1),
    "libtorrent": lt.__version__,
}
print(json.dumps(answer))
