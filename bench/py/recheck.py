"""Checks a file against its torrent with libtorrent: recheck.py TORRENT FOLDER [HASHING_THREADS]

Writes one JSON line: {"checkMs": from add_torrent until every piece was checked, "libtorrent"}. A piece that is not good
is an error.
"""

import json
import os
import select
import sys
import time

import libtorrent as lt

torrent, folder, *threads = sys.argv[1:]
ready, wake = os.pipe()
settings = {
    "listen_interfaces": "127.0.0.1:0",
    "enable_upnp": False,
    "enable_natpmp": False,
    "enable_lsd": False,
    "enable_dht": False,
    "alert_mask": lt.alert.category_t.status_notification
    | lt.alert.category_t.error_notification
    | lt.alert.category_t.storage_notification,
}
if threads:
    settings["hashing_threads"] = int(threads[0])
session = lt.session(settings)
session.set_alert_fd(wake)
params = lt.add_torrent_params()
params.ti = lt.torrent_info(torrent)
params.save_path = folder
params.flags = lt.torrent_flags.update_subscribe  # neither paused nor auto-managed
started = time.monotonic()
handle = session.add_torrent(params)


def checked():
    while True:
        for alert in session.pop_alerts():
            if isinstance(alert, (lt.torrent_error_alert, lt.file_error_alert)):
                sys.exit(alert.message())
            if isinstance(alert, lt.torrent_checked_alert):
                return
        select.select([ready], [], [])
        os.read(ready, 4096)


checked()
check_s = time.monotonic() - started
if not handle.status().is_seeding:
    sys.exit("not every piece is good")
print(json.dumps({"checkMs": 1000 * check_s, "libtorrent": lt.__version__}), flush=True)
os._exit(0)  # the destructors would wait for each thread: not part of a check
