"""An application that answers the server behind the back of its daemon process, with the bytes that a file holds."""

import os
import socket
import stat
import time
from pathlib import Path
from urllib.parse import parse_qs

import mod_wsgi

OUT = Path(__file__).parent.parent / "out"


def connection():
    """The connection that this request came by: the only one of a process with one thread."""
    for name in os.listdir("/proc/self/fd"):
        descriptor = int(name)
        try:
            if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                continue
            found = socket.socket(fileno=os.dup(descriptor))
            path = found.getsockname()
        except OSError:
            continue
        accepts = found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        if found.family == socket.AF_UNIX and not accepts and str(path).endswith(".sock"):
            return found
        found.close()
    raise RuntimeError("no connection")


def application(environ, start_response):
    query = parse_qs(environ["QUERY_STRING"])
    if environ["PATH_INFO"] == "/forge":
        with connection() as found:
            forged = (OUT / "forged").read_bytes()
            try:
                if "trickle" in query:
                    for byte in forged:
                        found.send(bytes([byte]))
                        time.sleep(float(query["trickle"][0]))
                else:
                    found.sendall(forged)
                found.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        raise RuntimeError("nothing of this gets through")
    if environ["PATH_INFO"] == "/sleep":
        time.sleep(float(query["seconds"][0]))
    if environ["PATH_INFO"] == "/many":
        fields = [(f"X-Field-{i}", "some value") for i in range(int(query["fields"][0]))]
        start_response("200 OK", [*fields, ("Content-Length", "5")])
        return [b"many\n"]
    body = mod_wsgi.process_group.encode() + b"\n"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
