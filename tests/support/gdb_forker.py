"""Runs in gdb: a gdb that has read what every gdb of the tests reads, and forks one for each request.

The request is a line of JSON, the lines to execute, that comes by the socket whose descriptor is in GDBHEAP_FORKER,
with the descriptor of the new gdb's output. The answers are its process id, and later its wait status, a line each.
"""

import array
import gc
import importlib
import json
import os
import socket
import sys

import gdb  # what runs here is gdb's own Python


def serve(door):
    """Answer requests until the other end closes the socket."""
    while True:
        lines, output = receive(door)
        if lines is None:
            return
        child = os.fork()
        if child == 0:
            door.close()
            become(lines, output)
        os.close(output)
        door.sendall(b"%d\n" % child)
        door.sendall(b"%d\n" % os.waitpid(child, 0)[1])


def receive(door):
    """Return the next request's lines and its descriptor; None and -1 at the end."""
    size = array.array("i").itemsize
    request, ancillary, _, _ = door.recvmsg(1 << 20, socket.CMSG_SPACE(size))
    if not request:
        return None, -1
    while not request.endswith(b"\n"):
        request += door.recv(1 << 20)
    return json.loads(request), array.array("i", ancillary[0][2])[0]


def become(lines, output):
    """Be the gdb that was asked for, to its end."""
    os.setsid()
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    for line in lines:
        try:
            gdb.execute(line)
        except gdb.error as error:
            gdb.write(f"{error}\n", gdb.STDERR)
        except KeyboardInterrupt:
            gdb.write("Quit\n", gdb.STDERR)
    gdb.flush()
    gdb.execute("quit")


checkout = sys.path[0]
importlib.import_module("gdbheap.packages").use()
for name in json.loads(os.environ.pop("GDBHEAP_FORKER_MODULES")):
    importlib.import_module(name)
sys.path.remove(checkout)
lazy = sys.modules["gdbheap.lazy"]
assert lazy.np.uint8  # numpy is imported as gdbheap does it: with threads that take no signals
for each in list(lazy._put_off):
    lazy._complete(each)
gc.collect()
gc.freeze()
serve(socket.socket(fileno=int(os.environ.pop("GDBHEAP_FORKER"))))
