# SPDX-License-Identifier: Apache-2.0
"""Returns bodies of every kind; those that can be closed say so in the error log."""

import hashlib
import io
import time
from pathlib import Path
from urllib.parse import parse_qs

HERE = Path(__file__).parent
OUT = HERE.parent / "out"
GATE_SECONDS = 20.0


class Closing:
    """An iterable whose close() leaves a line in the error log."""

    def __init__(self, environ, blocks):
        self._errors = environ["wsgi.errors"]
        self._name = environ["PATH_INFO"]
        self._blocks = blocks

    def __iter__(self):
        return iter(self._blocks)

    def close(self):
        self._errors.write(f"closed {self._name}\n")


def a_list(environ):
    return [b"one-", b"two-", b"three"]


def a_tuple(environ):
    return (b"one-", b"two")


def a_generator(environ):
    yield b"one-"
    yield b""
    yield b"two"


def many_blocks(environ):
    return (b"block%04d\n" % number for number in range(1000))


def one_large_block(environ):
    return [b"x" * (4 * 1024 * 1024)]


def nothing(environ):
    return []


def no_step(environ):
    return iter(())


def closing(environ):
    return Closing(environ, [b"some ", b"blocks"])


def closing_nothing(environ):
    return Closing(environ, [])


def gated(environ):
    """Each block but the first waits until the client has said that it got the one before."""
    names = parse_qs(environ["QUERY_STRING"])["gate"]
    yield b"start;"
    for name in names:
        wait_for(OUT / name)
        yield f"{name};".encode()


def wait_for(path):
    deadline = time.monotonic() + GATE_SECONDS
    while not path.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"no {path.name}: the block before was not sent")
        time.sleep(0.005)


def raise_at_call(environ):
    raise RuntimeError("raised by the call")


def raise_first(environ):
    raise RuntimeError("raised by the first step")
    yield b""


def raise_later(environ):
    try:
        yield b"before"
        raise RuntimeError("raised by a later step")
    finally:
        environ["wsgi.errors"].write(f"closed {environ['PATH_INFO']}\n")


def text_first(environ):
    return Closing(environ, ["text"])


def text_later(environ):
    return Closing(environ, [b"bytes ", "text"])


def no_iterable(environ):
    return None


def file_whole(environ):
    return environ["wsgi.file_wrapper"](open(HERE / "response_app.py", "rb"), 1000)


def file_tail(environ):
    handle = open(HERE / "response_app.py", "rb")
    handle.seek(100)
    return environ["wsgi.file_wrapper"](handle)


def file_in_memory(environ):
    return environ["wsgi.file_wrapper"](io.BytesIO(b"from memory"), 4)


def file_closed(environ):
    """A file that tells the error log of its close()."""
    handle = io.BytesIO(b"a file")
    errors = environ["wsgi.errors"]
    real_close = handle.close

    class Wrapped:
        read = handle.read

        def close(self):
            errors.write(f"closed {environ['PATH_INFO']}\n")
            real_close()

    return environ["wsgi.file_wrapper"](Wrapped())


def file_iterated(environ):
    """Uses the wrapper as the plain iterable that it also is."""
    wrapper = environ["wsgi.file_wrapper"](open(HERE / "response_app.py", "rb"), 64)
    digest = hashlib.sha256(b"".join(wrapper)).hexdigest()
    return [digest.encode()]


ROUTES = {
    "/list": a_list,
    "/tuple": a_tuple,
    "/generator": a_generator,
    "/many-blocks": many_blocks,
    "/one-large-block": one_large_block,
    "/nothing": nothing,
    "/no-step": no_step,
    "/closing": closing,
    "/closing-nothing": closing_nothing,
    "/gated": gated,
    "/raise-at-call": raise_at_call,
    "/raise-first": raise_first,
    "/raise-later": raise_later,
    "/text-first": text_first,
    "/text-later": text_later,
    "/no-iterable": no_iterable,
    "/file-whole": file_whole,
    "/file-tail": file_tail,
    "/file-in-memory": file_in_memory,
    "/file-closed": file_closed,
    "/file-iterated": file_iterated,
}


def application(environ, start_response):
    """`length` in the query becomes the Content-Length."""
    length = parse_qs(environ["QUERY_STRING"]).get("length")
    headers = [("Content-Type", "text/plain")]
    if length:
        headers.append(("Content-Length", length[0]))
    start_response("200 OK", headers)
    return ROUTES[environ["PATH_INFO"]](environ)


def gated_write(environ, start_response):
    """Like gated(), through write()."""
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    for block in gated(environ):
        write(block)
    return []
