"""Echoes on an AF_UNIX socket, one client after the other: stream|seqpacket, path or @name.

Packets are preceded by an empty one and by a large one, and followed by an empty one.
"""
import socket
import sys

packets = sys.argv[1] == "seqpacket"
name = sys.argv[2]
server = socket.socket(
    socket.AF_UNIX, socket.SOCK_SEQPACKET if packets else socket.SOCK_STREAM
)
server.bind("\0" + name[1:] if name.startswith("@") else name)
server.listen(5)
print("listening", flush=True)
while True:
    client, _ = server.accept()
    while message := client.recv(1 << 20):
        if packets:
            client.send(b"")
            client.send(b"x" * 100_000)
            client.send(b"")
        client.send(message)
    client.close()
