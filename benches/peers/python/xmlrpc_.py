"""xmlrpc, of the standard library, whose name a script cannot have. A connection carries one call at a time: there are as many, and
as many threads, as calls are in flight."""

from socketserver import ThreadingMixIn
from xmlrpc.client import ServerProxy
from xmlrpc.server import SimpleXMLRPCRequestHandler, SimpleXMLRPCServer

from roles import play, repeat, say, thread_each


class Handler(SimpleXMLRPCRequestHandler):
    # Connections stay open.
    protocol_version = "HTTP/1.1"
    # Answers are not compressed, which they are from 1,400 bytes on otherwise.
    encode_threshold = None


class Server(ThreadingMixIn, SimpleXMLRPCServer):
    def __init__(self, listener):
        address = listener.getsockname()
        super().__init__(address, Handler, False, bind_and_activate=False, use_builtin_types=True)
        self.socket.close()
        self.socket = listener
        self.threads = thread_each()

    def process_request(self, request, client_address):
        self.threads.submit(self.process_request_thread, request, client_address)


class Subject:
    name = "xmlrpc"
    kinds = ["ping", "blob", "structs"]

    def serve(self, listener):
        server = Server(listener)
        for kind in self.kinds:
            server.register_function(lambda argument: argument, kind)
        say("serving")
        server.serve_forever()

    def connect(self, host, port):
        return ServerProxy(f"http://{host}:{port}", use_builtin_types=True)

    def callers(self, host, port, kind, window):
        proxies = [self.connect(host, port) for _ in range(window)]
        return [repeat(kind, getattr(proxy, kind)) for proxy in proxies]


if __name__ == "__main__":
    play(Subject())
