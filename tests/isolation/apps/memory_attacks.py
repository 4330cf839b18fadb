# SPDX-License-Identifier: Apache-2.0
"""Attacks on shared memory by the process that maps it. Each takes the query of its request and returns a report."""

import ctypes
import os
import random
import struct

from system_calls import (
    FAILED,
    MAP_FIXED,
    PAGE,
    PIDFD_GETFD,
    PIDFD_OPEN,
    PROCESS_MADVISE,
    PROT_READ,
    PROT_WRITE,
    Report,
    call,
    libc,
    mappings,
    pointer,
)

MREMAP_MAYMOVE = 1
MADV_DONTNEED, MADV_REMOVE, MADV_DONTFORK, MADV_DOFORK, MADV_HWPOISON, MADV_POPULATE_WRITE = 4, 9, 10, 11, 100, 23
PTRACE_ATTACH, PTRACE_SEIZE = 16, 0x4206

PATTERNS = {
    "zeros": lambda size: bytes(size),
    "ones": lambda size: b"\xff" * size,
    "300": lambda size: struct.pack("<I", 300) * (size // 4),
    "70000": lambda size: struct.pack("<I", 70000) * (size // 4),
    "odd-sequences": lambda size: struct.pack("<Q", 1) * (size // 8),
    "minus-one-64": lambda size: struct.pack("<q", -1) * (size // 8),
    "largest-signed": lambda size: struct.pack("<Q", 2**63 - 1) * (size // 8),
    "indices": lambda size: struct.pack(f"<{size // 4}I", *(i % 8192 for i in range(size // 4))),
    "pids": lambda size: struct.pack("<I", os.getppid()) * (size // 4),
    "random": lambda size: random.Random(size).randbytes(size),
}


def ours(writable=None):
    return [m for m in mappings() if m.of_this_module and writable in (None, m.writable)]


def overwrite(query):
    """Fills all memory of this module that may be written. One region is the process's own, and so is one heartbeat."""
    report = Report()
    targets = ours(writable=True)
    for mapping in targets:
        data = PATTERNS[query["pattern"]](mapping.size)
        ctypes.memmove(mapping.begin, data, len(data))
    report.facts["overwritten"] = sorted(mapping.name for mapping in targets)
    return report


def overwrite_without_end(query):
    """Overwrites the mappings again and again on a thread, against requests of this process and readers of all."""
    import threading

    report = overwrite(query)

    def go_on():
        generator = random.Random(7)
        while True:
            for mapping in ours(writable=True):
                data = generator.randbytes(mapping.size)
                ctypes.memmove(mapping.begin, data, len(data))

    threading.Thread(target=go_on, daemon=True).start()
    return report


def make_writable(query):
    report = Report()
    for mapping in ours(writable=False):
        report.attempt(f"mprotect {mapping.name}", call, libc.mprotect, pointer(mapping.begin),
                       ctypes.c_size_t(mapping.size), PROT_READ | PROT_WRITE)  # fmt: skip
    return report


def duplicate_and_make_writable(query):
    """An old size of 0 makes mremap() map shared memory a second time."""
    report = Report()
    for mapping in ours(writable=False):
        copy = libc.mremap(pointer(mapping.begin), ctypes.c_size_t(0), ctypes.c_size_t(mapping.size), MREMAP_MAYMOVE)
        if copy != FAILED:
            report.attempt(f"mprotect a copy of {mapping.name}", call, libc.mprotect, pointer(copy),
                           ctypes.c_size_t(mapping.size), PROT_READ | PROT_WRITE)  # fmt: skip
    return report


def grow(query):
    """Makes mappings larger, so as to reach memory behind their end."""
    report = Report()
    for mapping in ours():
        larger = libc.mremap(pointer(mapping.begin), ctypes.c_size_t(mapping.size),
                             ctypes.c_size_t(2 * mapping.size), MREMAP_MAYMOVE)  # fmt: skip
        # The pages beyond the end of the file raise SIGBUS, which only ends this process.
        report.facts.setdefault("grown", []).append(larger != FAILED)
        if larger != FAILED:
            libc.mremap(pointer(larger), ctypes.c_size_t(2 * mapping.size), ctypes.c_size_t(mapping.size),
                        MREMAP_MAYMOVE | 2, pointer(mapping.begin))  # fmt: skip
    return report


def shuffle_pages(query):
    """remap_file_pages() rearranges the pages of mappings, and keeps what they may do."""
    report = Report()
    for mapping in ours(writable=False):
        for page in range(min(mapping.size // PAGE, 4)):
            libc.remap_file_pages(pointer(mapping.begin), ctypes.c_size_t(PAGE), 0, ctypes.c_size_t(page), 0)
        report.attempt(f"mprotect {mapping.name} after remap_file_pages", call, libc.mprotect,
                       pointer(mapping.begin), ctypes.c_size_t(PAGE), PROT_READ | PROT_WRITE)  # fmt: skip
    return report


def punch_holes(query):
    """MADV_REMOVE clears the pages of a file for all who map it."""
    report = Report()
    for mapping in ours(writable=False):
        for name, advice in (("MADV_REMOVE", MADV_REMOVE), ("MADV_POPULATE_WRITE", MADV_POPULATE_WRITE),
                             ("MADV_HWPOISON", MADV_HWPOISON)):  # fmt: skip
            report.attempt(f"{name} {mapping.name}", call, libc.madvise, pointer(mapping.begin),
                           ctypes.c_size_t(mapping.size), advice)  # fmt: skip
    return report


def punch_own_holes(query):
    """Punches holes into the mappings that this process may write, and makes its children inherit them."""
    report = Report()
    for mapping in ours(writable=True):
        for advice in (MADV_REMOVE, MADV_DONTNEED, MADV_DOFORK, MADV_DONTFORK):
            libc.madvise(pointer(mapping.begin), ctypes.c_size_t(mapping.size), advice)
    return report


def write_by_own_memory_file(query):
    """/proc/self/mem writes to private memory that is read-only."""
    report = Report()
    with open("/proc/self/maps", encoding="ascii"):
        targets = ours(writable=False)
    try:
        file = os.open("/proc/self/mem", os.O_RDWR)
    except OSError:
        return report
    for mapping in targets:
        report.attempt(f"pwrite /proc/self/mem {mapping.name}", os.pwrite, file, b"\xff" * 64, mapping.begin)
    os.close(file)
    return report


def open_again(query):
    """Opens the files behind mappings and descriptors for writing."""
    report = Report()
    for mapping in ours(writable=False):
        path = f"/proc/self/map_files/{mapping.begin:x}-{mapping.end:x}"
        report.attempt(f"open map_files of {mapping.name}", os.open, path, os.O_RDWR)
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
        if target.startswith("/memfd:sluice"):
            report.attempt(f"descriptor of {target}", os.open, f"/proc/self/fd/{name}", os.O_RDWR)
    return report


def map_over(query):
    """Maps private memory over the regions: the process lies to itself alone."""
    report = Report()
    for mapping in ours():
        libc.mmap(pointer(mapping.begin), ctypes.c_size_t(mapping.size), PROT_READ | PROT_WRITE, 0x22 | MAP_FIXED, -1, 0)
        ctypes.memset(mapping.begin, 0xFF, mapping.size)
    return report


def write_to_others(query):
    """Writes to the memory of other processes, each by all calls that there are."""
    report = Report()
    for pid in (int(text) for text in query["pids"].split(",")):
        report.attempt(f"/proc/{pid}/mem", os.open, f"/proc/{pid}/mem", os.O_RDWR)
        report.attempt(f"/proc/{pid}/map_files", os.listdir, f"/proc/{pid}/map_files")
        for name, request in (("PTRACE_ATTACH", PTRACE_ATTACH), ("PTRACE_SEIZE", PTRACE_SEIZE)):
            report.attempt(f"{name} {pid}", call, libc.ptrace, request, pid, None, None)
        _write_by_call(report, pid)
        descriptor = libc.syscall(PIDFD_OPEN, pid, 0)
        if descriptor >= 0:
            for number in range(12):
                report.attempt(f"pidfd_getfd {pid}", call, libc.syscall, PIDFD_GETFD, descriptor, number, 0)
            _advise(report, pid, descriptor)
            os.close(descriptor)
    return report


class Span(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


def _write_by_call(report, pid):
    """The parent and its children have the same mappings at the same addresses."""
    data = ctypes.create_string_buffer(b"\xff" * 64)
    for mapping in [m for m in mappings() if m.writable][:8] + ours():
        local, remote = Span(ctypes.addressof(data), 64), Span(mapping.begin, 64)
        report.attempt(f"process_vm_writev {pid}", call, libc.process_vm_writev, pid, ctypes.byref(local),
                       ctypes.c_ulong(1), ctypes.byref(remote), ctypes.c_ulong(1), ctypes.c_ulong(0))  # fmt: skip


def _advise(report, pid, descriptor):
    for mapping in ours()[:1]:
        span = Span(mapping.begin, mapping.size)
        report.attempt(f"process_madvise {pid}", call, libc.syscall, PROCESS_MADVISE, descriptor, ctypes.byref(span),
                       ctypes.c_size_t(1), 21, 0)  # MADV_PAGEOUT  # fmt: skip


def fork_and_overwrite(query):
    """A forked copy has what this process has, and no more."""
    report = Report()
    child = os.fork()
    if child == 0:
        overwrite(query)
        os._exit(0)
    os.waitpid(child, 0)
    return report


ATTACKS = {
    function.__name__: function
    for function in (
        *(overwrite, overwrite_without_end, make_writable, duplicate_and_make_writable, grow, shuffle_pages),
        *(punch_holes, punch_own_holes, write_by_own_memory_file, open_again, map_over, write_to_others),
        *(fork_and_overwrite,),
    )
}
