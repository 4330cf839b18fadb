# SPDX-License-Identifier: Apache-2.0
"""Returns a file of the query in wsgi.file_wrapper, as an object of the kind that the path names."""

import functools
import gzip
import tempfile
from urllib.parse import parse_qs


class Proxy:
    """Proxy as that of Django: each method is a property that gives the method of the file."""

    read = property(lambda self: self.file.read)
    tell = property(lambda self: self.file.tell)
    close = property(lambda self: self.file.close)
    fileno = property(lambda self: self.file.fileno)

    def __init__(self, file):
        self.file = file


class Shouting(Proxy):
    """Proxy with a method of its own, which changes what it reads."""

    def read(self, size):
        return self.file.read(size).replace(b"\n", b"!")


class Decorated(Proxy):
    """Proxy whose method claims to wrap that of the file, and changes what it reads."""

    @property
    def read(self):
        @functools.wraps(self.file.read)
        def read(size):
            return self.file.read(size).replace(b"\n", b"!")

        return read


class Lines(Proxy):
    """Proxy whose read() is another method of the file."""

    read = property(lambda self: self.file.readline)


class Failing(Proxy):
    """Proxy that raises an exception when it is asked for its method for the first time."""

    asked = False

    @property
    def read(self):
        if not self.asked:
            self.asked = True
            raise RuntimeError("not yet")
        return self.file.read


class Opening:
    """Object that holds no file: its method is that of a file that nothing else refers to, and then of an empty one."""

    def __init__(self, name):
        self.names = [name]

    @property
    def read(self):
        return open(self.names.pop() if self.names else "/dev/null", "rb").read


def temporary(name):
    file = tempfile.NamedTemporaryFile()
    with open(name, "rb") as source:
        file.write(source.read())
    file.seek(0)
    return file


def tail(name):
    proxy = Proxy(open(name, "rb"))
    proxy.file.read(1000)
    return proxy


def replaced_method(name):
    file = open(name, "rb")
    original = file.read
    file.read = lambda size: original(size).replace(b"\n", b"!")
    return file


def written(name):
    """A file with a written line that its buffer holds alone."""
    file = open(name, "r+b")
    file.read(20)
    file.seek(0)
    file.write(b"written!!\n")
    file.seek(0)
    return file


def compressed(name):
    packed = temporary("/dev/null")
    with open(name, "rb") as source, gzip.open(packed.name, "wb") as target:
        target.write(source.read())
    return gzip.open(packed.name)


def sparse(name):
    file = tempfile.TemporaryFile()
    file.truncate(3 << 30)
    return file


KINDS = {
    "sparse": sparse,
    "open": lambda name: open(name, "rb"),
    "unbuffered": lambda name: open(name, "rb", buffering=0),
    "temporary": temporary,
    "proxy": lambda name: Proxy(open(name, "rb")),
    "proxy-of-proxy": lambda name: Proxy(Proxy(open(name, "rb"))),
    "proxy-of-temporary": lambda name: Proxy(temporary(name)),
    "opening": Opening,
    "tail": tail,
    "written": written,
    "shouting": lambda name: Shouting(open(name, "rb")),
    "decorated": lambda name: Decorated(open(name, "rb")),
    "replaced-method": replaced_method,
    "compressed": compressed,
    "lines": lambda name: Lines(open(name, "rb")),
    "failing": lambda name: Failing(open(name, "rb")),
}


def application(environ, start_response):
    file = KINDS[environ["PATH_INFO"].strip("/")](parse_qs(environ["QUERY_STRING"])["file"][0])
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return environ["wsgi.file_wrapper"](file)
