"""multiprocessing.connection, of the standard library: pickled messages, which have no ids and are answered in order. A thread for each
connection, at both ends; the client sends as many messages ahead as calls are in flight."""

import os
import socket
from multiprocessing.connection import Client, Connection, answer_challenge, deliver_challenge

from roles import ARGUMENTS, check, play, say, thread_each

AUTHKEY = b"known to both"


class Peer:
    """A client's connection."""

    def __init__(self, host, port):
        self.connection = Client((host, port), authkey=AUTHKEY)
        # Without it the first call, which comes behind the end of the handshake, waits for 40 ms. The option is the socket's, not the
        # descriptor's.
        with socket.socket(fileno=os.dup(self.connection.fileno())) as copy:
            copy.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ping(self, argument):
        self.connection.send(("ping", argument))
        return self.connection.recv()

    def caller(self, kind, window):
        send, recv = self.connection.send, self.connection.recv
        message = (kind, ARGUMENTS[kind])

        def run(until):
            # What is in flight fits into the socket's buffers, so neither end waits for the other to read: Linux gives a connection
            # on the loopback interface more than two megabytes, and at most half of one is in flight.
            for _ in range(window):
                send(message)
            count = 0
            while True:
                check(kind, recv())
                count += 1
                if until.is_over(count + window - 1):
                    break
                send(message)
            for _ in range(window - 1):
                check(kind, recv())
            return count + window - 1

        return run


def answer(connection):
    """Answers the messages of one connection, to its end."""
    methods = {kind: lambda argument: argument for kind in Subject.kinds}
    try:
        # As its `Listener` does, which takes no socket.
        deliver_challenge(connection, AUTHKEY)
        answer_challenge(connection, AUTHKEY)
        while True:
            kind, argument = connection.recv()
            connection.send(methods[kind](argument))
    except (EOFError, ConnectionError):
        connection.close()


class Subject:
    name = "connection"
    kinds = ["ping", "blob", "structs"]

    def serve(self, listener):
        # What it accepts has the option too.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threads = thread_each()
        say("serving")
        while True:
            accepted, _ = listener.accept()
            threads.submit(answer, Connection(accepted.detach()))

    def connect(self, host, port):
        return Peer(host, port)

    def callers(self, host, port, kind, window):
        return [self.connect(host, port).caller(kind, window)]


if __name__ == "__main__":
    play(Subject())
