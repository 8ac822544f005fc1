#!/usr/bin/env python3
"""Pings the ping server from Python, written from docs/PROTOCOL.md alone. Needs the package `msgpack`.

    python3 ping.py [--connect HOST:PORT] MESSAGE
"""

import argparse
import socket
import struct

import msgpack

PREFACE = b"\0RPC" + struct.pack(">HH", 1, 0)  # rule 1.2
RESPONSES = (1, 5)
PING, PONG, GO_AWAY, HELLO = 11, 12, 13, 14  # rule 3.2


class RpcError(Exception):
    """What the server answered instead of a result (rule 6.1)."""

    def __init__(self, error):
        self.code, self.message, self.details, self.flags, *_ = error
        super().__init__(f"code {self.code}: {self.message}")


class Connection:
    """One connection, with one call at a time."""

    def __init__(self, host, port):
        self.socket = socket.create_connection((host, port), timeout=10)
        self.next_id = 0
        hello = {1: 16 << 20, 4: 10_000_000}  # message limit, default timeout (rule 1.8)
        self.socket.sendall(PREFACE)
        self.send([HELLO, hello])
        magic, major, _minor = struct.unpack(">4sHH", self.read(8))  # rule 1.4
        if magic != PREFACE[:4] or major != 1:
            raise ConnectionError("the server does not speak this version")
        kind, self.limits = self.receive()
        if kind != HELLO:
            raise ConnectionError("the server did not say hello")

    def read(self, count):
        data = b""
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            if not part:
                raise ConnectionError("the server closed the connection")
            data += part
        return data

    def send(self, message):
        body = msgpack.packb(message)
        self.socket.sendall(struct.pack(">I", len(body)) + body)  # rule 2.1

    def receive(self):
        (size,) = struct.unpack(">I", self.read(4))
        return msgpack.unpackb(self.read(size), strict_map_key=False)

    def call(self, method, *arguments):
        self.next_id += 1
        self.send([0, self.next_id, method, list(arguments)])  # rule 4.3
        while True:
            kind, *rest = self.receive()
            if kind in RESPONSES and rest[0] == self.next_id:
                if rest[1] is not None:
                    raise RpcError(rest[1])
                return rest[-1]
            if kind == PING:
                self.send([PONG, rest[0], None])  # rule 8.1
            elif kind == GO_AWAY and rest[1] is not None:
                raise RpcError(rest[1])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--connect", default="127.0.0.1:7000", metavar="HOST:PORT")
    parser.add_argument("message", nargs="?", default="hello from Python")
    options = parser.parse_args()
    host, port = options.connect.removeprefix("tcp://").rsplit(":", 1)
    connection = Connection(host, int(port))
    print(connection.call("Ping.ping", options.message))
    print("the server is", connection.call("rpc.Health.check"))  # rule 12.6
    for service in connection.call("rpc.Reflection.describe")["services"]:  # rule 12.4
        print(service["name"], "has", ", ".join(method["name"] for method in service["methods"]))
    try:
        connection.call("Ping.pong")
    except RpcError as error:
        print(f"as it should be, {error}")


if __name__ == "__main__":
    main()
