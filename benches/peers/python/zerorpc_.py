"""zerorpc: msgpack over ZeroMQ, with gevent. A client carries any number of calls at a time, each in a greenlet."""

import time

import gevent
import zerorpc
import zmq

from roles import play, repeat, say

# A context has 1,023 otherwise.
MAX_SOCKETS = 50_000


class Service:
    def ping(self, data):
        return data

    def blob(self, data):
        return data

    def structs(self, records):
        return records


class Subject:
    name = "zerorpc"
    kinds = ["ping", "blob", "structs"]

    def serve(self, listener):
        # It takes no socket, and binds one by itself.
        listener.close()
        server = zerorpc.Server(Service())
        [bound] = server.bind("tcp://127.0.0.1:0")
        say("serving " + bound.addr.removeprefix("tcp://"))
        server.run()

    def connect(self, host, port):
        return zerorpc.Client(f"tcp://{host}:{port}")

    def callers(self, host, port, kind, window):
        client = self.connect(host, port)
        return [repeat(kind, getattr(client, kind)) for _ in range(window)]


def in_greenlets(callers, until):
    end, start, cpu = until(), time.perf_counter(), time.process_time()
    running = [gevent.spawn(caller, end) for caller in callers]
    calls = sum(greenlet.get() for greenlet in running)
    return calls, time.perf_counter() - start, time.process_time() - cpu


if __name__ == "__main__":
    zerorpc.Context.get_instance().set(zmq.MAX_SOCKETS, MAX_SOCKETS)
    play(Subject(), in_greenlets)
