"""A stand-in for `python`, for programs that start others: its processes are forked, too.

What such a program takes for the interpreter is a client. It gives its arguments, directory,
environment and streams to a server that has imported TensorFlow; the server forks a process, and
the client ends as that process does. A process whose client is killed is killed.

Run by `stand_in` as the server, with the address of its socket.
"""

import contextlib
import json
import os
import pathlib
import select
import signal
import socket
import stat
import sys
from collections.abc import Iterator

from forked import Forked, run_as_main, wait_for

CLIENT = """#!{python} -IS
import json, os, signal, socket, sys

server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
socket.send_fds(server, [b"."], [0, 1, 2])
told = {{"executable": {path!r}, "directory": os.getcwd(), "environment": dict(os.environ)}}
with server.makefile("rw") as stream:
    stream.write(json.dumps({{**told, "arguments": sys.argv[1:]}}) + "\\n")
    stream.flush()
    process = int(stream.readline())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: os.kill(process, number))
    code = int(stream.readline())
if code < 0:
    signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
sys.exit(code)
"""


@contextlib.contextmanager
def stand_in(directory: pathlib.Path) -> Iterator[str]:
    """Path of an executable in a directory, which works as `python` does."""
    path, address = directory / "python", str(directory / "socket")
    path.write_text(CLIENT.format(python=sys.executable, path=str(path), address=address))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    server = Forked(__file__, address)
    assert wait_for(server, lambda: "ready" in server.printed()), server.printed()
    try:
        yield str(path)
    finally:
        server.kill()


def serve(address: str) -> dict:
    """Returns in each process that is forked for a client, with what the client has told."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(address)
    server.listen()
    print("ready", flush=True)
    while True:
        connection, _ = server.accept()
        with connection:
            if not os.fork():
                server.close()
                return attend(connection)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def attend(connection: socket.socket) -> dict:
    """Returns in a further process, whose end this one tells the client; then it ends itself."""
    _, streams, *_ = socket.recv_fds(connection, 1, 3)
    told = json.loads(connection.makefile().readline())
    process = os.fork()
    if not process:
        connection.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        return told
    for number in (*streams, 0, 1, 2):  # a reader of the process' output waits for their end
        os.close(number)
    connection.sendall(f"{process}\n".encode())
    end = os.pidfd_open(process)
    ready, *_ = select.select([connection, end], [], [])
    if end not in ready:
        os.kill(process, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    with contextlib.suppress(OSError):
        connection.sendall(f"{code}\n".encode())
    os._exit(0)


if __name__ == "__main__":
    start = serve(sys.argv[1])
    os.chdir(start["directory"])
    os.environ.clear()
    os.environ.update(start["environment"])
    sys.executable = start["executable"]
    run_as_main(start["arguments"])
