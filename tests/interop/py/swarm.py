"""A libtorrent swarm on loopback in one process, steered by JSON lines (the driver is ../support.ts, PythonPeer).

Holds DHT-only nodes and torrent sessions, one session per seed or leech so that each has its own port and counters.
A command is {"id": n, "do": name, ...}; its answer carries the same id and either results or "error". Commands run
at the same time. Everything waits for libtorrent's alerts; where libtorrent raises none (counters, routing tables,
stored announces) it is asked again at once after a short pause, until the caller's deadline. The loopback settings
are what keeps libtorrent from treating 127.0.0.1 as an attack: each says why.
"""

import asyncio
import hashlib
import json
import os
import re
import sys

import libtorrent as lt
from recipes import HOST, create_torrent, expanded_key, krpc, short_v2, torrent_of

# Test pair: seed 00 01 .. 1f and its public key. Never a real key.
TEST_SEED = bytes(range(32))
TEST_KEY = bytes.fromhex("03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8")
ASK_AGAIN_S = 0.03
HANDSHAKE_LINE = re.compile(r"(<==|==>) (HANDSHAKE \[ ih: [0-9a-f]+|HASH\w+)")
UNLIMITED = 1 << 30

LOOPBACK_SETTINGS = {
    "user_agent": "nano-snap-interop",
    "alert_mask": lt.alert.category_t.all_categories
    & ~(
        lt.alert.category_t.session_log_notification
        | lt.alert.category_t.torrent_log_notification
        | lt.alert.category_t.peer_log_notification
        | lt.alert.category_t.dht_log_notification
        | lt.alert.category_t.port_mapping_log_notification
        | lt.alert.category_t.picker_log_notification
    ),
    "alert_queue_size": 200000,
    "enable_upnp": False,
    "enable_natpmp": False,
    "enable_lsd": False,
    "enable_dht": False,
    "dht_bootstrap_nodes": "",  # no public router
    "dht_restrict_routing_ips": False,  # else one table entry per IP
    "dht_restrict_search_ips": False,  # else one candidate per /24 and lookup
    "dht_block_ratelimit": 1000000,  # else 5 packets/s, then ignored for 5 minutes
    "dht_upload_rate_limit": UNLIMITED,  # else queries are dropped in silence
    "allow_multiple_connections_per_ip": True,  # else the second peer from 127.0.0.1 is closed at once
    "min_reconnect_time": 1,
    "max_failcount": 100,
    "stop_tracker_timeout": 0,
    "aio_threads": 2,
    "hashing_threads": 1,
}


class Session:
    """One libtorrent session and whoever waits for one of its alerts."""

    def __init__(self, swarm, options, dht):
        settings = dict(LOOPBACK_SETTINGS)
        # An explicit address: with 0.0.0.0 the loopback socket would count as local and get no DHT.
        settings["listen_interfaces"] = options.get("listen") or f"{HOST}:0"
        settings["enable_dht"] = dht
        utp = bool(options.get("utp", False))
        settings["enable_outgoing_utp"] = settings["enable_incoming_utp"] = utp
        # 0 forced, 1 enabled, 2 disabled
        policy = 1 if options.get("encryption", False) else 2
        settings["in_enc_policy"] = settings["out_enc_policy"] = policy
        settings.update(options.get("settings", {}))
        if options.get("log_peers"):
            settings["alert_mask"] |= lt.alert.category_t.peer_log_notification
        self.handshakes = []
        self.waiters = []
        self.handle = None
        self.port = None
        self.ses = lt.session(settings)
        self.ses.set_alert_fd(swarm.alert_write)

    def next_alert(self, take):
        """A future for the first alert for which take(alert) is not None: alerts die at the next pop_alerts."""
        future = asyncio.get_running_loop().create_future()
        self.waiters.append((take, future))
        return future

    def dispatch(self):
        for alert in self.ses.pop_alerts():
            if isinstance(alert, lt.peer_log_alert):
                said = HANDSHAKE_LINE.search(alert.message())
                if said:
                    self.handshakes.append(said.group())
                continue
            if isinstance(alert, lt.listen_failed_alert):
                print(f"listen failed: {alert.message()}", file=sys.stderr)
            if isinstance(alert, (lt.torrent_error_alert, lt.file_error_alert, lt.torrent_conflict_alert)):
                print(alert.message(), file=sys.stderr)
            for waiter in list(self.waiters):
                take, future = waiter
                if future.done():
                    self.waiters.remove(waiter)
                    continue
                result = take(alert)
                if result is not None:
                    self.waiters.remove(waiter)
                    future.set_result(result)

    async def listening(self):
        def take(alert):
            if isinstance(alert, lt.listen_succeeded_alert) and "TCP" in alert.message():
                return alert.port
            if isinstance(alert, lt.listen_failed_alert):
                return -1
            return None

        future = self.next_alert(take)
        self.port = await future
        if self.port < 0:
            raise RuntimeError("cannot listen")
        return self.port

    async def stats(self):
        future = self.next_alert(lambda a: dict(a.values) if isinstance(a, lt.session_stats_alert) else None)
        self.ses.post_session_stats()
        return await future

    async def dht_node_count(self):
        def take(alert):
            if isinstance(alert, lt.dht_stats_alert):
                return sum(bucket["num_nodes"] for bucket in alert.routing_table)
            return None

        future = self.next_alert(take)
        self.ses.post_dht_stats()
        return await future

    async def torrent_until(self, wanted):
        """Waits until wanted(status) holds, looking again at each alert of the torrent."""
        while True:
            future = self.next_alert(lambda a: True if isinstance(a, lt.torrent_alert) else None)
            status = self.handle.status()
            if wanted(status):
                future.cancel()
                return status
            if status.errc.value() != 0:
                raise RuntimeError(f"torrent: {status.errc.message()}")
            await future


class Swarm:
    def __init__(self):
        self.alert_read, self.alert_write = os.pipe()
        os.set_blocking(self.alert_read, False)
        os.set_blocking(self.alert_write, False)
        self.nodes = []
        self.sessions = {}
        self.last_session = 0

    def on_alerts(self):
        try:
            while os.read(self.alert_read, 4096):
                pass
        except BlockingIOError:
            pass
        for session in [*self.nodes, *self.sessions.values()]:
            if session is not None:
                session.dispatch()

    # DHT

    async def do_dht_nodes(self, count):
        """Starts `count` DHT nodes that know one another; answers with their UDP ports."""
        fresh = [Session(self, {}, dht=True) for _ in range(count)]
        self.nodes.extend(fresh)
        await asyncio.gather(*(node.listening() for node in fresh))
        for node in self.nodes:
            self.introduce(node)
        live = [node for node in self.nodes if node is not None]
        await asyncio.gather(*(self.table_filled(node, min(len(live) - 1, 8)) for node in live))
        return {"ports": [node.port for node in fresh]}

    async def do_dht_stop(self, index):
        """Node `index` is gone for good, without a word, as a real one goes."""
        node, self.nodes[index] = self.nodes[index], None
        await asyncio.to_thread(destroy, node)
        return {}

    def introduce(self, session):
        for node in self.nodes:
            if node is not None and node is not session:
                session.ses.add_dht_node((HOST, node.port))

    async def table_filled(self, session, wanted):
        while await session.dht_node_count() < wanted:
            await asyncio.sleep(ASK_AGAIN_S)
            self.introduce(session)

    def live_node(self, index=None):
        if index is not None:
            return self.nodes[index]
        return next(node for node in self.nodes if node is not None)

    async def do_dht_put(self, value, seed=None, public_key=None, salt="daily", node=None):
        """libtorrent's own put: it looks up the highest seq and signs `value` (hex), a byte string, with seq + 1."""
        secret = expanded_key(bytes.fromhex(seed) if seed else TEST_SEED)
        public = bytes.fromhex(public_key) if public_key else TEST_KEY
        ses = self.live_node(node)

        def take(alert):
            if isinstance(alert, lt.dht_put_alert) and bytes(alert.public_key) == public:
                return (alert.num_success, alert.seq)
            return None

        future = ses.next_alert(take)
        ses.ses.dht_put_mutable_item(secret, public, bytes.fromhex(value), salt.encode())
        stored, seq = await future
        # "success" counts answers, and can count the own node: believe a read.
        while (await self.read_item(ses, public, salt.encode()))["seq"] < seq:
            await asyncio.sleep(ASK_AGAIN_S)
        return {"stored": stored, "seq": seq, "public_key": public.hex()}

    async def do_dht_get(self, public_key=None, salt="daily", node=None):
        public = bytes.fromhex(public_key) if public_key else TEST_KEY
        return await self.read_item(self.live_node(node), public, salt.encode())

    async def read_item(self, ses, public, salt):
        best = {"seq": 0}

        def take(alert):
            if not isinstance(alert, lt.dht_mutable_item_alert):
                return None
            try:
                item = alert.item
            except RuntimeError:  # nothing was found: libtorrent's entry is undefined
                return True
            if bytes(item["key"]) != public or bytes(item["salt"]) != salt:
                return None
            # Authoritative means that the walk is over, not that this is the newest.
            if item["seq"] > best["seq"]:
                value = item["value"]
                best.update(seq=item["seq"], v=lt.bencode(value).hex(), signature=bytes(item["signature"]).hex())
            return True if item["authoritative"] else None

        future = ses.next_alert(take)
        ses.ses.dht_get_mutable_item(public, salt)
        await future
        return best

    async def do_dht_put_raw(self, k, sig, seq, v, salt="daily", nodes=None):
        """Puts an item signed elsewhere (all hex; v is bencoded) straight into every node: any shape, any seq."""
        chosen = [self.nodes[i] for i in nodes] if nodes is not None else [n for n in self.nodes if n is not None]
        key, salt_bytes = bytes.fromhex(k), salt.encode()
        target = hashlib.sha1(key + salt_bytes).digest()
        refusals = []
        for node in chosen:
            answer = await asyncio.to_thread(krpc, node.port, b"get", {b"target": target})
            item = {
                b"token": answer[b"r"][b"token"],
                b"k": key,
                b"sig": bytes.fromhex(sig),
                b"seq": seq,
                b"v": lt.bdecode(bytes.fromhex(v)),
            }
            if salt_bytes:
                item[b"salt"] = salt_bytes
            answer = await asyncio.to_thread(krpc, node.port, b"put", item)
            if answer[b"y"] != b"r":
                refusals.append([answer[b"e"][0], answer[b"e"][1].decode()])
        return {"stored": len(chosen) - len(refusals), "refusals": refusals}

    # Torrents

    async def do_create_torrent(
        self,
        path,
        torrent,
        kind="hybrid",
        piece_size=32 << 20,
        trackers=(),
        web_seeds=(),
        x_snapshot=None,
        name=None,
        padding=None,
    ):
        """
        Writes `torrent` for the file or folder at `path`. `name` is the name inside it, if not the file's own.
        `padding`: where pad files go, "tail" or "no tail"; None is libtorrent's default for the kind.
        """
        return await asyncio.to_thread(
            create_torrent, path, torrent, kind, piece_size, trackers, web_seeds, x_snapshot, name, padding
        )

    async def do_add_seed(self, dir, torrent, **options):
        """
        A session that has the file. Options: seed_mode (no check; serves no leaf hashes at first), dht, up_limit
        (bytes/s), utp, encryption, listen, name (the file's name in `dir`), settings, log_peers (for `handshakes`).
        """
        name, session = await self.open_session(options)
        params = params_for(torrent, dir, options)
        if options.get("seed_mode"):
            params.flags |= lt.torrent_flags.seed_mode
        session.handle = session.ses.add_torrent(params)
        self.limit(session, options)
        await session.torrent_until(lambda status: status.is_seeding)
        if options.get("dht"):
            await self.announced(session)
        return {"session": name, "port": session.port}

    async def do_add_leech(self, dir, torrent=None, magnet=None, **options):
        """A session that wants the file. Answers at once; `wait_done` waits for the end."""
        name, session = await self.open_session(options)
        if magnet is not None:
            params = lt.parse_magnet_uri(magnet)
            params.save_path = dir
            params.flags = lt.torrent_flags.update_subscribe
        else:
            params = params_for(torrent, dir, options)
        session.handle = session.ses.add_torrent(params)
        self.limit(session, options)
        return {"session": name, "port": session.port}

    async def open_session(self, options):
        dht = bool(options.get("dht", False))
        session = Session(self, options, dht)
        self.last_session += 1
        name = self.last_session
        self.sessions[name] = session
        await session.listening()
        if dht:
            await self.table_filled(session, 1)
        return name, session

    def limit(self, session, options):
        for option, apply in (("up_limit", "set_upload_limit"), ("down_limit", "set_download_limit")):
            if options.get(option):
                getattr(session.handle, apply)(options[option])

    async def announced(self, session):
        """Waits until a node of the DHT names this session's port under each of the torrent's hashes."""
        hashes = session.handle.info_hashes()
        wanted = [h for h in ([hashes.v1] if hashes.has_v1() else []) + ([short_v2(hashes)] if hashes.has_v2() else [])]
        node = self.live_node()
        for info_hash in wanted:
            while not await self.names_port(node, info_hash, session.port):
                session.handle.force_dht_announce()
                await asyncio.sleep(ASK_AGAIN_S)

    async def names_port(self, node, info_hash, port):
        def take(alert):
            if isinstance(alert, lt.dht_get_peers_reply_alert) and alert.info_hash == info_hash:
                return any(peer[1] == port for peer in alert.peers())
            return None

        found = node.next_alert(take)
        node.ses.dht_get_peers(info_hash)
        try:  # a walk that meets no peers raises no alert at all
            return await asyncio.wait_for(found, 0.5)
        except asyncio.TimeoutError:
            return False

    async def do_wait_done(self, session):
        """Waits until everything is there, checked and in its files: what is checked may still be on its way to them."""
        session = self.sessions[session]
        status = await session.torrent_until(lambda s: s.is_seeding or s.is_finished)
        flushed = session.next_alert(lambda a: True if isinstance(a, lt.cache_flushed_alert) else None)
        session.handle.flush_cache()
        await flushed
        return {"name": status.name, "total_done": status.total_done}

    async def do_wait_uploaded(self, session, bytes):
        """Waits until the session has sent that much payload."""
        return {"uploaded": await self.counted(session, "net.sent_payload_bytes", bytes)}

    async def do_wait_downloaded(self, session, bytes):
        """Waits until the session has received that much payload."""
        return {"downloaded": await self.counted(session, "net.recv_payload_bytes", bytes)}

    async def counted(self, session, counter, least):
        while True:
            value = (await self.sessions[session].stats())[counter]
            if value >= least:
                return value
            await asyncio.sleep(ASK_AGAIN_S)

    async def do_connect(self, session, port, host=HOST, flags=0):
        """Dials. `flags` are libtorrent's pex_flags: with 0x80 it takes the peer for one that speaks v2."""
        self.sessions[session].handle.connect_peer((host, port), 0, flags)
        return {}

    async def do_handshakes(self, session):
        """What the peer log says of handshakes so far, of a session with `log_peers`."""
        self.sessions[session].dispatch()
        return {"lines": self.sessions[session].handshakes}

    async def do_status(self, session):
        one = self.sessions[session]
        counters = await one.stats()
        status = one.handle.status()
        peers = [
            {
                "host": peer.ip[0],
                "port": peer.ip[1],
                "client": peer.client.decode(errors="replace") if isinstance(peer.client, bytes) else peer.client,
                "uploaded": peer.total_upload,
                "downloaded": peer.total_download,
                "flags": int(peer.flags),
                "outgoing": bool(peer.flags & lt.peer_info.local_connection),
            }
            for peer in one.handle.get_peer_info()
        ]
        return {
            "uploaded": counters["net.sent_payload_bytes"],
            "downloaded": counters["net.recv_payload_bytes"],
            "state": str(status.state),
            "progress": status.progress,
            "peers": peers,
        }

    async def do_pause(self, session):
        self.sessions[session].handle.pause()
        await self.sessions[session].torrent_until(lambda status: status.paused)
        return {}

    async def do_resume(self, session):
        self.sessions[session].handle.resume()
        return {}

    async def do_set_limits(self, session, up_limit=0, down_limit=0):
        """Bytes per second; 0 is none."""
        handle = self.sessions[session].handle
        handle.set_upload_limit(up_limit or -1)
        handle.set_download_limit(down_limit or -1)
        return {}

    async def do_close(self, session):
        await asyncio.to_thread(destroy, self.sessions.pop(session))
        return {}


def destroy(session):
    """libtorrent's destructor joins its threads."""
    session.handle = None
    session.ses = None


def params_for(torrent, folder, options):
    params = lt.add_torrent_params()
    params.ti = torrent_of(torrent)
    params.save_path = folder
    if options.get("name"):
        params.ti.rename_file(0, options["name"])
    params.flags = lt.torrent_flags.update_subscribe  # neither paused nor auto-managed
    return params


def say(message):
    print(json.dumps(message), flush=True)


async def answer(swarm, command):
    number, name = command.pop("id"), command.pop("do")
    try:
        result = await getattr(swarm, f"do_{name}")(**command)
        say({"id": number, **result})
    except Exception as error:  # the test decides what a failure means
        say({"id": number, "error": f"{type(error).__name__}: {error}"})


async def main():
    swarm = Swarm()
    loop = asyncio.get_running_loop()
    loop.add_reader(swarm.alert_read, swarm.on_alerts)
    reader = asyncio.StreamReader(limit=1 << 24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    say({"event": "ready", "libtorrent": lt.__version__})
    running = set()
    while line := await reader.readline():
        command = json.loads(line)
        if command["do"] == "quit":
            say({"id": command["id"]})
            break
        task = asyncio.create_task(answer(swarm, command))
        running.add(task)
        task.add_done_callback(running.discard)
    # Destructors would wait for every thread; whoever closes stdin or says quit is not waiting for us.
    sys.stdout.flush()
    os._exit(0)


asyncio.run(main())
