"""A target behind a path that doubles and reorders datagrams, all in one place.

Stands between a runner and `loadgen serve --stdio` (its arguments): says that the target receives
where the proxy does, and passes datagrams on. Of each ten, the third is sent twice at once, the fifth
comes after the ninth, and the sixth comes again about a hundred later.
Counts what it did and writes it to the file named first.
"""

import json
import os
import socket
import subprocess
import sys
import threading

account, command = sys.argv[1], sys.argv[2:]
target = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
front.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
front.bind(("127.0.0.1", 0))
done = {"doubled": 0, "reordered": 0, "passed": 0}
DATA = ord("d")


def proxy(port):
    back = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    back.connect(("127.0.0.1", port))
    held, later, number = None, [], 0
    while True:
        datagram = front.recv(65536)
        if len(datagram) < 40 or datagram[3] != DATA:
            # A closing marker: whatever is held goes before it.
            for one in [held] + [copy for _, copy in later]:
                if one:
                    back.send(one)
            held, later = None, []
            # The target ends with this one, and the proxy with the target: the account comes first.
            with open(account + ".new", "w") as out:
                json.dump(done, out)
            os.replace(account + ".new", account)
            back.send(datagram)
            continue
        done["passed"] += 1
        place = number % 10
        number += 1
        if place == 4:
            held = datagram
        else:
            back.send(datagram)
        if place == 2:
            back.send(datagram)
            done["doubled"] += 1
        if place == 5:
            later.append((number + 100, datagram))
            done["doubled"] += 1
        if place == 8 and held:
            back.send(held)
            held = None
            done["reordered"] += 1
        while later and later[0][0] <= number:
            back.send(later.pop(0)[1])


def answers():
    for line in target.stdout:
        message = json.loads(line)
        if "receiving" in message:
            port = int(message["receiving"]["addresses"][0].rsplit(":", 1)[1])
            threading.Thread(target=proxy, args=(port,), daemon=True).start()
            shown = "udp:127.0.0.1:%d" % front.getsockname()[1]
            message["receiving"]["addresses"] = [shown]
            line = json.dumps(message).encode() + b"\n"
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()


threading.Thread(target=answers, daemon=True).start()
for line in sys.stdin.buffer:
    message = json.loads(line)
    if isinstance(message, dict) and "plan" in message:
        # Any port of the target's own.
        message["plan"]["address"] = "udp:127.0.0.1:0"
        line = json.dumps(message).encode() + b"\n"
    target.stdin.write(line)
    target.stdin.flush()
target.stdin.close()
target.wait()
