"""libtorrent leeches in a process of their own, as fast as they get:
leech.py '{"torrent": …, "dir": …, "peers": [[host, port]…], "count": how many leeches,
"pex": whether they may learn of one another}'

Each is a session that downloads into dir/0, dir/1 and so on. Writes one JSON line when all is on disk:
{"transferMs": from the first add_torrent until every piece of every leech was checked, "libtorrent"}.
Of eight sets of settings tried in turns these had the highest median, though on a busy machine none was clearly faster
than the defaults.
"""

import json
import os
import select
import sys
import time

import libtorrent as lt

SETTINGS = {
    "listen_interfaces": "127.0.0.1:0",
    # Nothing but TCP from the named peers.
    "enable_outgoing_utp": False,
    "enable_incoming_utp": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "enable_lsd": False,
    "enable_dht": False,
    "in_enc_policy": 2,
    "out_enc_policy": 2,
    # By default 500 requests, and 1 MiB that waits for the disk.
    "max_out_request_queue": 2000,
    "max_queued_disk_bytes": 64 << 20,
    # Several seeds on one address.
    "allow_multiple_connections_per_ip": True,
    "alert_mask": lt.alert.category_t.status_notification
    | lt.alert.category_t.error_notification
    | lt.alert.category_t.storage_notification,
}

job = json.loads(sys.argv[1])
ready, wake = os.pipe()
os.set_blocking(ready, False)
os.set_blocking(wake, False)
# Its own limit, 10 MB, is below what a hybrid torrent of 262,144 pieces takes.
metadata = lt.torrent_info(job["torrent"], {"max_buffer_size": 64 << 20})
sessions = []
for n in range(job["count"]):
    # A crowd has an address each: a seed may refuse a host that wants too many places.
    own = {"listen_interfaces": f"127.0.0.{n + 2}:0", "outgoing_interfaces": f"127.0.0.{n + 2}"} if n > 0 else {}
    session = lt.session({**SETTINGS, **own})
    session.set_alert_fd(wake)
    sessions.append(session)
started = time.monotonic()
handles = []
for n, session in enumerate(sessions):
    params = lt.add_torrent_params()
    params.ti = metadata
    params.save_path = os.path.join(job["dir"], str(n))
    params.peers = [tuple(peer) for peer in job["peers"]]
    params.flags = lt.torrent_flags.update_subscribe  # neither paused nor auto-managed
    if not job["pex"]:
        params.flags |= lt.torrent_flags.disable_pex
    handles.append(session.add_torrent(params))


def wait_for(kind):
    """Until each session had such an alert."""
    waiting = set(range(len(sessions)))
    while waiting:
        for n, session in enumerate(sessions):
            for alert in session.pop_alerts():
                if isinstance(alert, (lt.torrent_error_alert, lt.file_error_alert, lt.listen_failed_alert)):
                    sys.exit(alert.message())
                if isinstance(alert, kind):
                    waiting.discard(n)
        if not waiting:
            return
        select.select([ready], [], [])
        try:
            os.read(ready, 4096)
        except BlockingIOError:
            pass


wait_for(lt.torrent_finished_alert)
transfer_s = time.monotonic() - started
for handle in handles:
    handle.flush_cache()
wait_for(lt.cache_flushed_alert)
print(json.dumps({"transferMs": 1000 * transfer_s, "libtorrent": lt.__version__}), flush=True)
os._exit(0)  # the destructors would wait for each thread: not part of a download
