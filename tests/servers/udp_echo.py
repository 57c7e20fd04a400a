"""Answers like a name server: what came comes back, with something added.

The port is the first argument; every so manyth datagram (the second, 0 for none) gets no answer.
"""

import socket
import sys

port, skip = int(sys.argv[1]), int(sys.argv[2])
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", port))
number = 0
while True:
    datagram, client = server.recvfrom(65536)
    number += 1
    if skip == 0 or number % skip:
        server.sendto(datagram + b"answer", client)
