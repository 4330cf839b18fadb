# SPDX-License-Identifier: Apache-2.0
"""Attacks on other processes and on what a group shares. Each takes the query of its request and returns a report."""

import ctypes
import fcntl
import mmap
import os
import resource
import signal
import socket
import sys
import threading
import time

from memory_attacks import ours
from system_calls import PIDFD_OPEN, PIDFD_SEND_SIGNAL, Report, call, libc, listens, sockets

PTRACE_TRACEME = 0
PR_SET_PDEATHSIG = 1
HELD_SECONDS = 600.0
FORGED = "[Sat Jan 01 00:00:00.000000 2000] [wsgi:error] [pid 1:tid 1] Daemon process 'victim' was robbed"

_held = []
"""Keeps what an attack must not lose before the process ends."""


def nothing(query):
    return Report()


def listeners():
    """Descriptors of listening sockets in this process."""
    numbers = []
    for number, copy in sockets():
        with copy:
            if listens(copy):
                numbers.append(number)
    return numbers


# On the socket of its own group


def count_listeners(query):
    """A process has the listener of its own group and no other."""
    report = Report()
    report.gained = [f"listener {number}" for number in listeners()[1:]]
    return report


def accept_for_others(query):
    """Takes connections of other groups for a second, and answers them."""
    report = Report()
    ends = time.monotonic() + 1.0
    for _, copy in sockets():
        if not listens(copy) or copy.getsockname() == query["own"]:
            copy.close()
            continue
        report.gained.append(f"listener {copy.getsockname()}")
        copy.settimeout(0.05)
        _held.append(copy)
    while _held and time.monotonic() < ends:
        for copy in _held:
            try:
                stolen, _ = copy.accept()
            except OSError:
                continue
            with stolen:
                report.gained.append(f"request of {len(stolen.recv(65536))} bytes")
    return report


def close_listener(query):
    for number in listeners():
        os.close(number)
    return Report()


def shut_listener_down(query):
    for number in listeners():
        libc.shutdown(number, socket.SHUT_RDWR)
    return Report()


def put_file_in_place_of_listener(query):
    for number in listeners():
        with open("/dev/null", "rb") as null:
            os.dup2(null.fileno(), number)
    return Report()


def put_own_socket_in_place_of_listener(query):
    own = socket.socket(socket.AF_UNIX)
    own.bind("")
    own.listen()
    for number in listeners():
        if number != own.fileno():
            os.dup2(own.fileno(), number)
    return Report()


def unblock_listener(query):
    """The flag is of the open file, which the parent and all processes of the group share."""
    for number in listeners():
        os.set_blocking(number, False)
    return Report()


def give_listener_a_timeout(query):
    for number in listeners():
        with socket.socket(fileno=os.dup(number)) as copy:
            copy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, (1).to_bytes(8, "little") * 2)
    return Report()


def shorten_backlog(query):
    for number in listeners():
        libc.listen(number, 0)
    return Report()


def close_everything(query):
    """As programs do that become a daemon: the connection of this request is among it."""
    os.closerange(0, 4096)
    return Report()


# On others


def connect_to_others(query):
    report = Report()
    for path in query["sockets"].split(","):
        with socket.socket(socket.AF_UNIX) as client:
            report.attempt(f"connect {path}", client.connect, path)
            report.attempt(f"remove {path}", os.unlink, path)
            report.attempt(f"rename {path}", os.rename, path, path + ".stolen")
    return report


def take_descriptors(query):
    report = Report()
    for pid in query["pids"].split(","):
        report.attempt(f"list descriptors of {pid}", os.listdir, f"/proc/{pid}/fd")
        report.attempt(f"environment of {pid}", lambda path: open(path, "rb").read(), f"/proc/{pid}/environ")
        for number in range(12):
            report.attempt(f"open descriptor of {pid}", os.open, f"/proc/{pid}/fd/{number}", os.O_RDWR)
    return report


def send_signals(query):
    report = Report()
    for pid in map(int, query["pids"].split(",")):
        for number in (0, signal.SIGUSR1, signal.SIGSTOP, signal.SIGTERM, signal.SIGKILL):
            report.attempt(f"kill {pid}", os.kill, pid, number)
            report.attempt(f"tgkill {pid}", call, libc.tgkill, pid, pid, number)
        descriptor = libc.syscall(PIDFD_OPEN, pid, 0)
        if descriptor >= 0:
            report.attempt(f"pidfd {pid}", call, libc.syscall, PIDFD_SEND_SIGNAL, descriptor, signal.SIGKILL, None, 0)
            os.close(descriptor)
    return report


def set_limits_of_others(query):
    report = Report()
    for pid in map(int, query["pids"].split(",")):
        report.attempt(f"prlimit {pid}", resource.prlimit, pid, resource.RLIMIT_NOFILE, (0, 0))
        report.attempt(f"setpriority {pid}", os.setpriority, os.PRIO_PROCESS, pid, 19)
        report.attempt(f"affinity {pid}", os.sched_setaffinity, pid, {0})
        report.attempt(f"process group {pid}", os.setpgid, pid, os.getpid())
    return report


def become_root(query):
    report = Report()
    for name, function in (("setuid", os.setuid), ("setgid", os.setgid)):
        report.attempt(name, function, 0)
    report.attempt("setresuid", os.setresuid, 0, 0, 0)
    report.attempt("setgroups", os.setgroups, [0])
    report.attempt("unshare", call, libc.unshare, 0x00020000)
    report.attempt("chroot", os.chroot, "/")
    return report


# On the signs of life


def forge_heartbeats(query):
    """Counts on in all shared memory that may be written, as if other processes were alive, or dead."""
    report = Report()
    pages = [mapping for mapping in ours(writable=True) if not mapping.name.startswith("/memfd:sluice")]
    report.gained = [f"heartbeat at {mapping.begin:x}" for mapping in pages[1:]]
    for mapping in pages:
        for at in range(mapping.begin, mapping.begin + mapping.size, 8):
            ctypes.c_uint64.from_address(at).value += 12345
    return report


def freeze_heartbeat(query):
    """Writes the same number without end, so that the parent sees no heartbeat of this process."""

    def freeze():
        while True:
            for mapping in ours(writable=True):
                if not mapping.name.startswith("/memfd:sluice"):
                    ctypes.c_uint64.from_address(mapping.begin).value = 7
            time.sleep(0.0005)

    threading.Thread(target=freeze, daemon=True).start()
    return Report()


def stop_itself(query):
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGSTOP)).start()
    return Report()


# On the end of the process


def have_parent_trace(query):
    """The parent becomes the tracer of this process, and is told of each signal instead of it."""
    report = Report()
    call(libc.ptrace, PTRACE_TRACEME, 0, None, None)
    return report


def refuse_to_end(query):
    libc.prctl(PR_SET_PDEATHSIG, 0)
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, signal.NSIG))
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP, signal.SIGINT):
        libc.signal(number, ctypes.c_void_p(1))
    return Report()


def keep_refusing(query):
    """Ignores the signals again as soon as the server has installed its handlers again."""

    def refuse():
        while True:
            for number in (signal.SIGTERM, signal.SIGUSR1):
                libc.signal(number, ctypes.c_void_p(1))
            time.sleep(0.001)

    libc.prctl(PR_SET_PDEATHSIG, 0)
    threading.Thread(target=refuse, daemon=True).start()
    return Report()


def fork_and_return(query):
    """Both copies return to the server; the child is a copy that nobody started."""
    report = Report()
    report.facts["forked"] = os.fork()
    return report


def fork_and_stay(query):
    """A copy that lives on and waits for connections of its group."""
    report = Report()
    child = os.fork()
    if child == 0:
        os.setsid()
        signal.alarm(20)
        time.sleep(HELD_SECONDS)
    report.facts["forked"] = child
    return report


# On what a process has of everything


def use_up_descriptors(query):
    try:
        while True:
            _held.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        threading.Timer(1.0, lambda: [os.close(number) for number in _held]).start()
    return Report()


def use_up_threads(query):
    soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    resource.setrlimit(resource.RLIMIT_NPROC, (200, hard))
    event = threading.Event()
    try:
        while len(_held) < 400:
            thread = threading.Thread(target=event.wait, daemon=True)
            thread.start()
            _held.append(thread)
    except RuntimeError:
        pass
    threading.Timer(1.0, event.set).start()
    return Report()


def use_up_memory(query):
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
    try:
        while True:
            _held.append(mmap.mmap(-1, 8 << 20))
    except (MemoryError, OSError):
        _held.clear()
    return Report()


def lower_own_limits(query):
    for name in ("NOFILE", "AS", "STACK", "MEMLOCK", "NPROC", "CORE", "DATA"):
        limit = getattr(resource, f"RLIMIT_{name}")
        resource.setrlimit(limit, (0, resource.getrlimit(limit)[1]))
    return Report()


def end_at_once(query):
    os._exit(3)


# On the log


def forge_log_lines(query):
    """Tries to begin lines of the log by itself: control characters and line ends in what it writes."""
    for stream in (sys.stderr, sys.stdout):
        print(f"harmless\n{FORGED}\r{FORGED}\x1b[2K{FORGED}", file=stream)
        stream.flush()
    return Report()


def hold_log(query):
    """Locks the log and signals about it, which would stop others that write."""
    report = Report()
    for name in os.listdir("/proc/self/fd"):
        try:
            number = int(name)
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.lockf(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (OSError, ValueError):
            continue
    return report


ATTACKS = {
    function.__name__: function
    for function in (
        *(nothing, count_listeners, accept_for_others, close_listener, shut_listener_down, put_file_in_place_of_listener),
        *(put_own_socket_in_place_of_listener, unblock_listener, give_listener_a_timeout, shorten_backlog),
        *(close_everything, connect_to_others, take_descriptors, send_signals, set_limits_of_others, become_root),
        *(forge_heartbeats, freeze_heartbeat, stop_itself, have_parent_trace, refuse_to_end, keep_refusing, fork_and_return),
        *(fork_and_stay, use_up_descriptors, use_up_threads, use_up_memory, lower_own_limits, end_at_once),
        *(forge_log_lines, hold_log),
    )
}
