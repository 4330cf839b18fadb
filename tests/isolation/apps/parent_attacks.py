# SPDX-License-Identifier: Apache-2.0
"""Attacks on the server's root parent by what it does for its children: the signals and the exit codes that it receives, and
the open log that it passes on. Each takes the query of its request and returns a report."""

import ctypes
import fcntl
import os
import signal
import stat
import termios
import time

from system_calls import Report, libc

CLONE_PARENT = 0x00008000
PR_SET_TIMERSLACK = 29
KEYCTL = 250 if os.uname().machine == "x86_64" else 219
KEYCTL_SEARCH = 10
KEYCTL_READ = 11
SESSION_KEYRING = -3


def stop_and_continue(query):
    """A copy stops and continues this process for some seconds; the kernel reports each stop to the parent."""
    report = Report()
    own = os.getpid()
    ends = time.monotonic() + float(query["seconds"])
    if os.fork() == 0:
        libc.prctl(PR_SET_TIMERSLACK, 1)
        try:
            while time.monotonic() < ends:
                os.kill(own, signal.SIGSTOP)
                time.sleep(0.00003)
                os.kill(own, signal.SIGCONT)
                time.sleep(0.00001)
        finally:
            os.kill(own, signal.SIGCONT)
            os._exit(0)
    return report


def logs():
    """The descriptors of regular files that are open for writing."""
    for name in os.listdir("/proc/self/fd"):
        try:
            number = int(name)
            if stat.S_ISREG(os.fstat(number).st_mode) and fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE:
                yield number
        except OSError:
            continue


def break_log_flags(query):
    """Changes the flags of the open log: O_DIRECT makes each write fail that is not aligned."""
    report = Report()
    flags = os.O_DIRECT if query["flags"] == "direct" else 0
    for number in logs():
        try:
            fcntl.fcntl(number, fcntl.F_SETFL, flags)
            os.lseek(number, 0, os.SEEK_SET)
        except OSError as error:
            report.refused.append(f"{number}: {error}")
    report.facts["logs"] = len(list(logs()))
    return report


def restore_log_flags(query):
    for number in logs():
        fcntl.fcntl(number, fcntl.F_SETFL, os.O_APPEND)
        os.lseek(number, 0, os.SEEK_END)
    return Report()


def sibling_exits(query):
    """Makes a process whose parent is that of this one, and which ends with an exit code of its choice."""
    report = Report()
    kind, code = query["kind"], int(query["code"])
    if kind == "clone":
        numbers = {"x86_64": 56, "aarch64": 220}
        arguments = [CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0]
        pid = libc.syscall(ctypes.c_long(numbers[os.uname().machine]), *map(ctypes.c_long, arguments))
    else:
        block = (ctypes.c_uint64 * 11)(CLONE_PARENT)
        pid = libc.syscall(ctypes.c_long(435), block, ctypes.c_size_t(ctypes.sizeof(block)))
    if pid == 0:
        libc._exit(code)
    if pid > 0:
        report.gained.append(f"sibling {pid}")
    return report


def clone_as_usual(query):
    """Processes and threads that applications make are not affected."""
    import subprocess
    import threading

    report = Report()
    seen = []
    thread = threading.Thread(target=seen.append, args=("thread",))
    thread.start()
    thread.join()
    seen.append(subprocess.run(["/bin/echo", "subprocess"], check=True, capture_output=True, text=True).stdout.strip())
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, b"fork")
        os._exit(0)
    os.waitpid(child, 0)
    seen.append(os.read(reader, 10).decode())
    os.close(reader)
    os.close(writer)
    seen.append(os.popen("echo shell").read().strip())
    report.facts["seen"] = seen
    report.facts["filtered"] = _status("Seccomp")
    report.facts["no_new_privs"] = _status("NoNewPrivs")
    return report


def _status(name):
    with open("/proc/self/status", encoding="ascii") as file:
        return next(line.split()[1] for line in file if line.startswith(f"{name}:"))


def use_terminal(query):
    """Types into the terminal that the server was started at, and reads what is typed there."""
    report = Report()
    for number in range(3):
        if os.isatty(number) and fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE != os.O_WRONLY:
            report.gained.append(f"descriptor {number} can be read")
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
        report.gained.append("typed: the terminal of the session can be opened")
    except OSError as error:
        report.refused.append(f"/dev/tty: {error}")
    for name in ("/dev/tty", *(f"/proc/self/fd/{number}" for number in range(3))):
        try:
            with open(name, "wb", buffering=0) as terminal:
                fcntl.ioctl(terminal, termios.TIOCSTI, b"x")
            report.gained.append(f"typed into {name}")
        except OSError as error:
            report.refused.append(f"{name}: {error}")
    return report


def read_keys(query):
    """Reads the key of root's session that has this description."""
    report = Report()
    key = libc.syscall(KEYCTL, KEYCTL_SEARCH, SESSION_KEYRING, b"user", query["description"].encode(), 0)
    value = ctypes.create_string_buffer(64)
    if key > 0 and libc.syscall(KEYCTL, KEYCTL_READ, key, value, len(value)) > 0:
        report.gained.append(value.value.decode())
    return report


def say(query):
    """Writes to the log in each way that an application has."""
    import sys

    print(query["text"] + "-print", flush=True)
    print(query["text"] + "-stderr", file=sys.stderr, flush=True)
    os.write(2, (query["text"] + "-descriptor\n").encode())
    return Report()


def list_files(query):
    """The files behind the standard descriptors, and the other regular files that are open for writing."""
    report = Report()
    report.facts["standard"] = [os.readlink(f"/proc/self/fd/{number}") for number in range(3)]
    report.facts["logs"] = [os.readlink(f"/proc/self/fd/{number}") for number in logs()]
    return report


ATTACKS = {
    function.__name__: function
    for function in (
        *(stop_and_continue, break_log_flags, restore_log_flags, sibling_exits, clone_as_usual, use_terminal, read_keys, say, list_files),
    )
}
