"""The roles of ../harness/src/roles.rs, for subjects that are written in Python.

A subject is an object with a name, with the kinds of calls that it has, and with what these functions call: `serve(listener)`,
`connect(host, port)`, whose answer has a method `ping`, and `callers(host, port, kind, window)`: the functions that make the
calls of one connection. Each takes an `Until`, and answers how many calls it made.
"""

import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

PING = bytes([7]) * 16
BLOB = bytes([7]) * (64 << 10)
RECORDS = [
    {
        "id": 1_000_000 + number,
        "name": f"customer number {number}",
        "score": number * 0.37,
        "city": "Rotterdam",
        "street": f"Witte de Withstraat {number}",
        "note": "prefers to be called in the morning",
    }
    for number in range(100)
]

# What a call carries, by its kind, which is the method's name as well.
ARGUMENTS = {"ping": PING, "blob": BLOB, "structs": RECORDS}


def check(kind, answer):
    """Fails where an answer is not as long as the argument was, or a ping another one."""
    argument = ARGUMENTS[kind]
    if len(answer) != len(argument) or (kind == "ping" and answer != argument):
        raise ValueError(f"the answer to {kind} is not its argument")


class Until:
    """When a caller ends: at a time, or after so many calls of its own."""

    def __init__(self, seconds=None, calls=None):
        self.end = None if seconds is None else time.perf_counter() + seconds
        self.calls = calls

    def is_over(self, count):
        if self.end is None:
            return count >= self.calls
        return time.perf_counter() >= self.end


def repeat(kind, call):
    """A caller that makes one call after the other."""

    def run(until):
        argument, count = ARGUMENTS[kind], 0
        while True:
            check(kind, call(argument))
            count += 1
            if until.is_over(count):
                return count

    return run


def thread_each():
    """What runs each connection of a server in a thread. Threads are used again, and so never end: the processor time of those that
    ended would be missed, as it is read thread by thread."""
    return ThreadPoolExecutor(50_000)


def in_threads(callers, until):
    """Runs each caller in a thread, once all threads are there, and says what came of it. `until` is asked for then."""
    there, ends = Event(), []

    def run(caller):
        there.wait()
        return caller(ends[0])

    with ThreadPoolExecutor(len(callers)) as pool:
        running = [pool.submit(run, caller) for caller in callers]
        ends.append(until())
        start, cpu = time.perf_counter(), time.process_time()
        there.set()
        calls = sum(future.result() for future in running)
        return calls, time.perf_counter() - start, time.process_time() - cpu


def say(word):
    print(word, flush=True)


def play(subject, together=in_threads):
    """Plays the role that the command line asks for. `together` runs the callers of a load at the same time."""
    role, name, workers, *rest = sys.argv[1:]
    if name != subject.name:
        sys.exit(f"no subject is named {name}")
    if workers != "0":
        sys.exit(f"an interpreter runs one thread at a time: its workers are 0, not {workers}")
    match role, rest:
        case "serve", []:
            subject.serve(socket.socket(fileno=0))
        case "load", [address, kind, connections, window, length]:
            load(subject, split(address), kind, int(connections), int(window), length, together)
        case "idle", [address, count]:
            idle(subject, split(address), int(count))
        case _:
            sys.exit("it plays the roles of the harness: serve, load and idle")


def split(address):
    host, port = address.rsplit(":", 1)
    return host, int(port)


def load(subject, address, kind, connections, window, length, together):
    if kind not in subject.kinds:
        sys.exit(f"{subject.name} has no calls of the kind {kind}")
    callers = []
    for _ in range(connections):
        callers += subject.callers(*address, kind, window)
    if length.endswith("ms"):
        seconds = int(length.removesuffix("ms")) / 1000
        made = together(callers, lambda: Until(seconds=seconds))
    else:
        calls = int(length.removesuffix("calls")) // len(callers)
        made = together(callers, lambda: Until(calls=calls))
    print(*made)


def idle(subject, address, count):
    held = []
    for _ in range(count):
        held.append(subject.connect(*address))
        check("ping", held[-1].ping(PING))
    say("idle")
    sys.stdin.read()
