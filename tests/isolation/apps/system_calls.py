# SPDX-License-Identifier: Apache-2.0
"""Calls of the system that Python does not offer, the mappings of this process, and a report of what an attack gained."""

import ctypes
import errno
import os
import socket
import stat

libc = ctypes.CDLL(None, use_errno=True)
for _name in ("mmap", "mremap"):
    getattr(libc, _name).restype = ctypes.c_void_p
libc.ptrace.restype = ctypes.c_long
libc.process_vm_writev.restype = ctypes.c_ssize_t

FAILED = ctypes.c_void_p(-1).value
PAGE = os.sysconf("SC_PAGESIZE")
PROT_READ, PROT_WRITE = 1, 2
MAP_SHARED, MAP_FIXED = 1, 0x10
PIDFD_OPEN, PIDFD_GETFD, PROCESS_MADVISE, PIDFD_SEND_SIGNAL = 434, 438, 440, 424


def call(function, *arguments):
    """The result of a function of the C library; raises OSError when it is -1."""
    ctypes.set_errno(0)
    result = function(*arguments)
    if result in (-1, FAILED):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def pointer(address):
    return ctypes.c_void_p(address)


class Mapping:
    """A line of /proc/self/maps."""

    def __init__(self, line):
        fields = line.split(maxsplit=5)
        self.begin, self.end = (int(part, 16) for part in fields[0].split("-"))
        self.permissions, self.inode = fields[1], int(fields[4])
        self.name = fields[5].strip() if len(fields) > 5 else ""

    @property
    def size(self):
        return self.end - self.begin

    @property
    def shared(self):
        return self.permissions[3] == "s"

    @property
    def writable(self):
        return self.permissions[1] == "w"

    @property
    def of_this_module(self):
        """The recording regions, the registry, signs of life; not Apache's scoreboard, which every child can write."""
        if not self.shared or self.begin <= scoreboard_address() < self.end:
            return False
        return self.name.startswith(("/memfd:sluice", "/dev/zero"))


def mappings():
    with open("/proc/self/maps", encoding="ascii") as file:
        return [Mapping(line) for line in file]


def scoreboard_address():
    """Where Apache's scoreboard begins; 0 without one."""
    try:
        image = ctypes.c_void_p.in_dll(ctypes.CDLL(None), "ap_scoreboard_image").value
    except ValueError:
        return 0
    return ctypes.c_void_p.from_address(image).value if image else 0


def sockets():
    """The sockets of this process: the number of each descriptor, and a copy of it, which the caller closes."""
    for name in os.listdir("/proc/self/fd"):
        try:
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                yield int(name), socket.socket(fileno=os.dup(int(name)))
        except OSError:
            continue


def listens(copy):
    return copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) != 0


class Report:
    """The attempts of an attack that succeeded though they must not, and those that the system refused."""

    def __init__(self):
        self.gained = []
        self.refused = []
        self.facts = {}

    def attempt(self, what, function, *arguments):
        """Makes one attempt; returns the result of a success, which counts as gained, and otherwise None."""
        try:
            result = function(*arguments)
        except OSError as error:
            self.refused.append(f"{what}: {errno.errorcode.get(error.errno, error.errno)}")
            return None
        self.gained.append(what)
        return True if result is None else result

    def as_json(self):
        return {"pid": os.getpid(), "gained": self.gained, "refused": self.refused, **self.facts}
