#!/usr/bin/env python3
"""What a system's queues do, found out once more and independently of loadgen.

JSON: a list of {id, family, settings, name, value}, named as in loadgen's cards, in $OUT/facts.json, or printed
where OUT is not set. Plain sockets and nothing else; needs no root. `facts.py ID...` finds out some only.
"""
import ctypes
import errno
import json
import os
import select
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

FACTS = []
# Kernel settings in which this was found out: in a namespace of its own.
SETTINGS = {}
LOOP = {"ipv4": (socket.AF_INET, "127.0.0.1"), "ipv6": (socket.AF_INET6, "::1")}


def note(id, family, name, value):
    FACTS.append({"id": id, "family": family, "settings": SETTINGS, "name": name, "value": value})


def listener(family, backlog, **options):
    kind, address = LOOP[family]
    s = socket.socket(kind, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    for option, value in options.items():
        s.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    s.bind((address, 0))
    s.listen(0)
    # Python makes 0 of negative values.
    ctypes.CDLL(None).listen(s.fileno(), backlog)
    s.setblocking(False)
    return s


def begin(to, kind=None):
    c = socket.socket(to.family, kind or socket.SOCK_STREAM)
    c.setblocking(False)
    return c, c.connect_ex(to.getsockname())


def drain(s):
    got = []
    while True:
        try:
            got.append(s.accept())
        except BlockingIOError:
            return got


def polled(s, what, seconds):
    poll = select.poll()
    poll.register(s, what)
    return bool(poll.poll(seconds * 1000))


def answered(c, seconds):
    """Whether connect() came to an end within so long, and its error."""
    ready = polled(c, select.POLLOUT, seconds)
    return ready, c.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if ready else 0


def begun(to, count, seconds):
    """So many clients one after the other, each given so long to be answered."""
    clients = []
    for _ in range(count):
        c, _ = begin(to)
        answered(c, seconds)
        clients.append(c)
    return clients


def capacity(family):
    points = []
    for backlog in (0, 1, 5, 16, 37):
        s = listener(family, backlog)
        clients = []
        for _ in range(backlog * 3 // 2 + 6):
            c, _ = begin(s)
            if answered(c, 0.02) == (True, 0):
                clients.append(c)
            else:
                # It would come in while others are accepted.
                c.close()
        points.append([backlog, len(drain(s))])
        for c in clients:
            c.close()
        s.close()
    note("tcp.accept_queue.sequential", family, "capacity", points)


def next_syn(family):
    s = listener(family, 2)
    clients = begun(s, 12, 0.05)
    time.sleep(0.4)
    fates = [answered(c, 0) for c in clients]
    refused = sum(1 for done, error in fates if done and error == errno.ECONNREFUSED)
    other = sum(1 for done, error in fates if done and error not in (0, errno.ECONNREFUSED))
    established = sum(1 for done, error in fates if done and error == 0)
    held = len(drain(s))
    if refused:
        fate = "refused"
    elif other or established > held:
        fate = "established"
    else:
        fate = "dropped"
    note("tcp.overflow.next_syn", family, "next_syn", fate)


def order(family):
    s = listener(family, 16)
    clients = begun(s, 10, 0.1)
    ports = [c.getsockname()[1] for c in clients]
    accepted = [peer[1] for _, peer in drain(s)]
    note("tcp.accept_order", family, "order", "fifo" if accepted == ports else "other")


def closing(family):
    """What becomes of those who wait in a queue, and of those who have no place in it, where the listener is closed."""
    inside, outside = set(), set()
    for _ in range(5):
        s = listener(family, 3)
        waiting = begun(s, 5, 0.05)
        beyond = waiting.pop()
        s.close()
        time.sleep(0.1)
        try:
            waiting[0].recv(1)
            inside.add("closed")
        except OSError as error:
            inside.add({errno.ECONNRESET: "reset", errno.EAGAIN: "left open"}.get(error.errno, str(error.errno)))
        done, error = answered(beyond, 3)
        outside.add("refused" if done and error == errno.ECONNREFUSED else "reset" if done else "left open")
    note("tcp.listener_closed", family, "queued", sorted(inside))
    note("tcp.listener_closed", family, "waiting", sorted(outside))


def retries(family, until=9.0):
    """Clients that began at different instants are let in at one: each comes with its next SYN."""
    s = listener(family, 0)
    plug = [begin(s)[0] for _ in range(3)]
    time.sleep(0.2)
    begun = []
    start = time.monotonic()
    while time.monotonic() < start + until:
        c, _ = begin(s)
        begun.append((time.monotonic(), c))
        time.sleep(0.2)
    room = time.monotonic()
    found = {}
    poll = select.poll()
    for at, c in begun:
        poll.register(c, select.POLLOUT)
    by_number = {c.fileno(): (at, c) for at, c in begun}
    while time.monotonic() < room + until + 1 and by_number:
        drain(s)
        for number, _ in poll.poll(5):
            if number in by_number:
                at, c = by_number.pop(number)
                poll.unregister(number)
                # Some have given up.
                if c.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                    found[at] = time.monotonic()
    latencies = sorted(done - at for at, done in found.items())
    groups = []
    for one in latencies:
        if groups and one <= groups[-1][0] * 1.06 + 0.15:
            groups[-1].append(one)
        else:
            groups.append([one])
    # One alone was late by itself, on a busy machine.
    seconds = [group[0] for group in groups if len(group) > 1 or len(latencies) < 20]
    for name in ("schedule", "schedule_portable"):
        note("tcp.syn_retries", family, name, [round(one, 1) for one in seconds])


def syn_queue(family):
    """Silent clients of a listener that defers accept stay half-open: until there is a cookie, which it accepts."""
    if not hasattr(socket, "TCP_DEFER_ACCEPT"):
        return
    points, beyond = [], None
    for backlog in (1, 5, 16, 128):
        s = listener(family, backlog, TCP_DEFER_ACCEPT=30)
        kept, clients = 0, []
        while kept < 2 * backlog + 16:
            c, _ = begin(s)
            clients.append(c)
            done, error = answered(c, 0.3)
            ready = polled(s, select.POLLIN, 0.005)
            if ready or not done or error:
                beyond = "cookie" if ready else "dropped"
                break
            kept += 1
        points.append([backlog, kept])
        for c in clients:
            c.close()
        s.close()
    id = "tcp.syn_queue" + {"0": ".no_cookies", "2": ".always_cookies"}.get(SETTINGS.get("net.ipv4.tcp_syncookies"), "")
    for way in ("capacity", "capacity_deaf"):
        note(id, family, way, points)
    note(id, family, "beyond", beyond)
    note(id, family, "rule", "n + 1" if all(k == n + 1 for n, k in points) else "n" if all(k == n for n, k in points) else None)


def at_once(family):
    """Everybody comes before anybody is looked at."""
    points = []
    for backlog in (5, 128, -1):
        s = listener(family, backlog)
        clients = [begin(s)[0] for _ in range(4500 if backlog < 0 else backlog + 20)]
        time.sleep(0.2)
        for c in clients:
            if answered(c, 0) != (True, 0):
                c.close()
        points.append([backlog, len(drain(s))])
        for c in clients:
            c.close()
        s.close()
    note("tcp.accept_queue.concurrent", family, "capacity", sorted(points))


def handshake(family):
    """Median times of connect() and of the kernel's own round trip (tcpi_rtt of TCP_INFO)."""
    s = listener(family, 128)
    took, round_trips = [], []
    for _ in range(200):
        c = socket.socket(s.family, socket.SOCK_STREAM)
        begun = time.perf_counter()
        c.connect(s.getsockname())
        took.append(time.perf_counter() - begun)
        round_trips.append(struct.unpack_from("=I", c.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104), 68)[0])
        c.close()
        drain(s)
    note("tcp.handshake", family, "connect_p50", sorted(took)[100])
    note("tcp.handshake", family, "kernel_rtt_p50", sorted(round_trips)[100] / 1e6)


def own_range(family):
    """Ports that a program confines itself to (IP_LOCAL_PORT_RANGE, 51)."""
    s = listener(family, 128)
    got = []
    for _ in range(10):
        c = socket.socket(s.family, socket.SOCK_STREAM)
        try:
            c.setsockopt(socket.IPPROTO_IP, 51, struct.pack("=I", 40000 | 40019 << 16))
        except OSError:
            pass
        c.connect(s.getsockname())
        got.append(c.getsockname()[1])
        c.close()
    even = sum(1 for port in got if port % 2 == 0)
    note("tcp.ports.own_range", family, "first_half", "even" if even == len(got) else "odd" if even == 0 else "mixed")


def reuse_on_loopback(family):
    """All ports of a short range are in TIME_WAIT: when does the next client get one?"""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as text:
        low, high = map(int, text.read().split())
    own = high - low > 100
    s = listener(family, 128)

    def client():
        c = socket.socket(s.family, socket.SOCK_STREAM)
        if own:
            c.setsockopt(socket.IPPROTO_IP, 51, struct.pack("=I", 40000 | 40019 << 16))
        return c

    waits = []
    for _ in range(4):
        waits.append(reused(s, client))
        if waits[-1] is None:
            break
        time.sleep(0.3)
    if None in waits:
        note("tcp.time_wait.reuse_on_loopback", family, "reuse", "refused")
        return
    # Some kernels count whole seconds: then it depends on the instant.
    note("tcp.time_wait.reuse_on_loopback", family, "reuse", "delayed" if any(after > 0 for after in waits) else "at_once")
    note("tcp.time_wait.reuse_on_loopback", family, "reuse_after", sorted(waits)[2])


def reused(s, client):
    """Seconds until a port in TIME_WAIT is given out again; 0 where at once, None where not within 3."""
    clients = []
    for _ in range(20):
        clients.append(client())
        try:
            clients[-1].connect(s.getsockname())
        except OSError:
            break  # The listener may have one of them itself.
    peers = drain(s)
    for c in clients:
        c.close()
    for peer, _ in peers:
        peer.close()
    begun = time.monotonic()
    refused = False
    while time.monotonic() < begun + 3:
        c = client()
        try:
            c.connect(s.getsockname())
        except OSError:
            refused = True
            time.sleep(0.01)
            continue
        return time.monotonic() - begun if refused else 0
    return None


def clamp(family):
    """Values that a system may cut down."""
    points = []
    for backlog in (128, 1000, -1):
        s = listener(family, backlog)
        clients, last = [], time.monotonic()
        while time.monotonic() < last + 0.3 and len(clients) < 6000:
            c, _ = begin(s)
            if answered(c, 0.3) == (True, 0):
                clients.append(c)
                last = time.monotonic()
            else:
                c.close()
        points.append([backlog, len(drain(s))])
        for c in clients:
            c.close()
        s.close()
    points.sort()
    note("tcp.accept_queue.sequential", family, "clamp", points[0][1] if points[0][1] < 6000 else None)
    for fact in FACTS:
        if (fact["id"], fact["family"], fact["name"]) == ("tcp.accept_queue.sequential", family, "capacity"):
            fact["value"] = sorted(fact["value"] + points)


def time_wait(family):
    """A client that closed first comes again from the same port."""
    s = listener(family, 5)
    c = socket.socket(s.family, socket.SOCK_STREAM)
    c.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    c.connect(s.getsockname())
    own = c.getsockname()
    (peer, _), = drain(s)
    c.close()
    time.sleep(0.05)
    peer.close()
    time.sleep(0.05)
    begun = time.monotonic()
    while time.monotonic() < begun + 3:
        c = socket.socket(s.family, socket.SOCK_STREAM)
        c.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        c.settimeout(1)
        try:
            c.bind(own)
            c.connect(s.getsockname())
        except OSError as error:
            why = errno.errorcode.get(error.errno, str(error))
            time.sleep(0.05)
            continue
        after = time.monotonic() - begun
        note("tcp.time_wait.reuse_bound", family, "reuse", "at_once" if after < 0.2 else "delayed")
        return
    note("tcp.time_wait.reuse_bound", family, "reuse", "refused")
    note("tcp.time_wait.reuse_bound", family, "refused_with", why)


def ports(family):
    """Where the ports lie that a client gets."""
    s = listener(family, 128)
    got = []
    for _ in range(60):
        c, _ = begin(s)
        answered(c, 0.2)
        got.append(c.getsockname()[1])
        c.close()
    even = sum(1 for port in got if port % 2 == 0)
    note("tcp.ports.range", family, "first_half", "even" if even == len(got) else "odd" if even == 0 else "mixed")
    with open("/proc/sys/net/ipv4/ip_local_port_range") as text:
        low, high = map(int, text.read().split())
    if all(low <= port <= high for port in got):
        note("tcp.ports.range", family, "range", high - low + 1)


def counters(wanted):
    with open("/proc/net/snmp") as text:
        lines = [line.split() for line in text if line.startswith("Udp:")]
    return [int(dict(zip(*lines))[name]) for name in wanted]


SENT = 3000


def udp(family):
    kind, address = LOOP[family]
    points, charges = [], []
    for size in (1, 100, 512, 1024, 1472, 8192):
        r = socket.socket(kind, socket.SOCK_DGRAM)
        r.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        r.bind((address, 0))
        r.setblocking(False)
        t = socket.socket(kind, socket.SOCK_DGRAM)
        before = counters(["InErrors", "RcvbufErrors"]) if family == "ipv4" else None
        for number in range(SENT):
            t.sendto((struct.pack("!I", number) + b"x" * 65536)[:size] if size > 3 else b"x", r.getsockname())
        time.sleep(0.05)
        charged = memory(r)
        got = []
        while True:
            try:
                got.append(r.recv(65536))
            except BlockingIOError:
                break
        if len(got) == SENT:
            continue
        points.append([size, len(got)])
        if charged:
            charges.append([size, round(charged / len(got))])
        else:
            # Of what the buffer is said to hold, each has its share.
            charges.append([size, round(r.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) / len(got))])
        if size == 100:
            first = struct.unpack("!I", got[0][:4])[0]
            note("udp.receive_buffer.capacity", family, "dropped", "newest" if first == 0 else "oldest")
            if before:
                grown = [b - a for a, b in zip(before, counters(["InErrors", "RcvbufErrors"]))]
                for name, by in zip(("in_errors", "rcvbuf_errors"), grown):
                    note("udp.receive_buffer.counters", family, name, "exact" if by == SENT - len(got) else "silent" if by == 0 else "other")
        if size == 8192:
            r.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            note("udp.receive_buffer.size", family, "smallest", r.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF))
            r.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 30)
            note("udp.receive_buffer.size", family, "largest", r.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF))
    fresh = socket.socket(kind, socket.SOCK_DGRAM)
    note("udp.receive_buffer.size", family, "default", fresh.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF))
    note("udp.receive_buffer.capacity", family, "capacity", points)
    if charges:
        note("udp.receive_buffer.capacity", family, "charge", charges)


def memory(s):
    """Bytes that a socket's receive buffer is charged with (SO_MEMINFO of Linux)."""
    try:
        return struct.unpack("=I", s.getsockopt(socket.SOL_SOCKET, 55, 36)[:4])[0]
    except OSError:
        return None


WORDS = {"EAGAIN": "again", "ECONNREFUSED": "refused", "ENOBUFS": "no_buffer"}


def blocking(kind, path):
    """Whether a blocking connect() waits at a full queue."""
    c = socket.socket(socket.AF_UNIX, kind)
    c.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 0, 300000))
    begun = time.monotonic()
    error = c.connect_ex(path)
    return "waits" if time.monotonic() - begun > 0.2 else WORDS.get(errno.errorcode.get(error), str(error))


def unix():
    folder = tempfile.mkdtemp()
    try:
        for name, kind in (("stream", socket.SOCK_STREAM), ("seqpacket", socket.SOCK_SEQPACKET)):
            points, beyond = [], None
            for backlog in (0, 1, 5, 16):
                path = os.path.join(folder, f"{name}{backlog}")
                try:
                    s = socket.socket(socket.AF_UNIX, kind)
                    s.bind(path)
                except OSError:
                    break
                s.listen(backlog)
                clients = []
                while len(clients) < 64:
                    c = socket.socket(socket.AF_UNIX, kind)
                    c.setblocking(False)
                    error = c.connect_ex(path)
                    if error:
                        beyond = errno.errorcode.get(error, str(error))
                        break
                    clients.append(c)
                points.append([backlog, len(clients)])
            if points:
                note(f"unix.{name}.queue", None, "capacity", points)
                note(f"unix.{name}.queue", None, "beyond", WORDS.get(beyond, beyond))
                note(f"unix.{name}.queue", None, "blocking", blocking(kind, path))
        path = os.path.join(folder, "dgram")
        r = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        r.bind(path)
        t = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        t.setblocking(False)
        count, beyond = 0, None
        while count < 100000:
            try:
                t.sendto(b"x", path)
            except OSError as error:
                beyond = errno.errorcode.get(error.errno, str(error.errno))
                break
            count += 1
        if beyond:
            note("unix.dgram.queue", None, "capacity", count)
            note("unix.dgram.queue", None, "beyond", WORDS.get(beyond, beyond))
    finally:
        for name in os.listdir(folder):
            os.unlink(os.path.join(folder, name))
        os.rmdir(folder)


PARTS = {
    "tcp.accept_queue.sequential": capacity, "tcp.accept_queue.clamp": clamp, "tcp.accept_queue.concurrent": at_once,
    "tcp.overflow": next_syn, "tcp.accept_order": order, "tcp.listener_closed": closing, "tcp.handshake": handshake,
    "tcp.syn_retries": retries, "tcp.syn_queue": syn_queue, "tcp.time_wait.reuse_bound": time_wait,
    "tcp.time_wait.reuse_on_loopback": reuse_on_loopback, "tcp.ports.range": ports, "tcp.ports.own_range": own_range,
    "udp": udp,
}
# What is found out once more with other settings, each in a namespace of its own.
VARIED = [
    ({"net.ipv4.tcp_no_metrics_save": "1", "net.ipv4.tcp_syncookies": "0"}, ["tcp.syn_queue"]),
    ({"net.ipv4.tcp_syncookies": "2"}, ["tcp.syn_queue"]),
    ({"net.ipv4.tcp_syn_retries": "2"}, ["tcp.syn_retries"]),
    ({"net.ipv4.ip_local_port_range": "40000 40019", "net.ipv4.tcp_tw_reuse": "0"}, ["tcp.time_wait.reuse_on_loopback"]),
    ({"net.ipv4.ip_local_port_range": "40000 40019", "net.ipv4.tcp_tw_reuse": "1"}, ["tcp.time_wait.reuse_on_loopback"]),
    ({"net.ipv4.ip_local_port_range": "40000 40019", "net.ipv4.tcp_tw_reuse": "2"}, ["tcp.time_wait.reuse_on_loopback"]),
]


def found(id, family):
    try:
        PARTS[id](family)
    except OSError as error:
        print(f"{id} over {family}: {error}", file=sys.stderr)


def here(ids):
    """Everything in this namespace; what takes long and is mostly waiting, for both families at once."""
    slow = [threading.Thread(target=found, args=("tcp.syn_retries", family)) for family in LOOP if "tcp.syn_retries" in ids]
    for thread in slow:
        thread.start()
    for thread in slow:
        thread.join()
    for id in ids:
        for family in LOOP:
            if id != "tcp.syn_retries":
                found(id, family)


def varied():
    """Runs this program in other namespaces, where such can be made."""
    own = ["unshare", "--user", "--map-root-user", "--net", sys.executable, os.path.realpath(__file__), "--with"]
    running = []
    for settings, ids in VARIED:
        command = own + [json.dumps(settings), *ids]
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "OUT": ""}))
    for one in running:
        said, why = one.communicate()
        if one.returncode == 0:
            FACTS.extend(json.loads(said))
        else:
            print(why.decode(errors="replace").strip().splitlines()[-1:], file=sys.stderr)


def main():
    arguments = sys.argv[1:]
    if arguments[:1] == ["--with"]:
        # Some systems say that they made a namespace, and did not.
        with open("/proc/self/ns/net") as own:
            if ctypes.CDLL(None).setns(own.fileno(), 0) != 0:
                sys.exit("namespaces cannot be entered here: settings are not changed")
        SETTINGS.update(json.loads(arguments[1]))
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        for key, value in SETTINGS.items():
            with open("/proc/sys/" + key.replace(".", "/"), "w") as setting:
                setting.write(value)
        here(arguments[2:])
    elif arguments:
        here([id for id in PARTS if any(id.startswith(one) for one in arguments)])
    else:
        aside = threading.Thread(target=varied)
        aside.start()
        here(list(PARTS))
        unix()
        aside.join()
    folder = os.environ.get("OUT")
    with open(os.path.join(folder, "facts.json"), "w") if folder else sys.stdout as out:
        json.dump(FACTS, out, indent=1)


main()
