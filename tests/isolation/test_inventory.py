# SPDX-License-Identifier: Apache-2.0
"""The descriptors and shared mappings of each kind of process, compared with what it needs (I2, I6)."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from apache.config import MPMS
from apache.httpd import Httpd
from apache.process import free_port, wait_until

from .inventory import Sockets, descriptors, shared_mappings
from .server import ATTACKER, VICTIM, Serve, daemon_group, daemons, script, two_tenants, web_children

RESTARTS = 3
SERVICE = "service"
NEVER = 0
ANY = 10**6

# The allow-list: how many of each descriptor and of each shared mapping a process may have. What is not named it must
# not have. "parent" and "child" hold what Apache itself opens; the rows of this module are marked.
STANDARD = {"null": 1, "console": 1, "error log": 1}
DAEMON_STANDARD = {"null": 1, "error log": 2}  # the standard output is the log, too
STATISTICS = {"own statistics": 1}
APACHE = STANDARD | {
    "tcp listener": 2,
    "ROOT/tls-access.log": 1,
    "pipe to write": 3,  # to the process of the piped log, and the pipes by which the MPM is woken
    "pipe to read": 2,
    "ROOT/tls.log (pipe)": 1,
}
ALLOWED_DESCRIPTORS = {
    "parent": APACHE | {"daemon listener": 2},  # this module: the listener of each group that serves
    "child": APACHE | STATISTICS | {"eventpoll": 1, "tcp connection": ANY},
    ATTACKER: DAEMON_STANDARD | STATISTICS | {"daemon listener": 1},
    VICTIM: DAEMON_STANDARD | STATISTICS | {"daemon listener": 1},
    SERVICE: DAEMON_STANDARD | STATISTICS,
}
# Memory that other modules of the server share: the scoreboard, TLS sessions, the balancer's slots.
FOREIGN = {"anonymous, writable": 6, "ROOT/tls-sessions, writable": 1, "slots of a balancer, writable": 4}
ALLOWED_MAPPINGS = {
    "parent": FOREIGN | {"anonymous, writable": 10, "memfd:sluice, writable": ANY, "memfd:sluice, read-only": ANY},
    "child": FOREIGN | {"memfd:sluice, writable": 1, "memfd:sluice, read-only": ANY},
    ATTACKER: {"memfd:sluice, writable": 1, "anonymous, writable": 1, "anonymous, read-only": 1},  # server-metrics=On
    VICTIM: {"memfd:sluice, writable": 1, "anonymous, writable": 1},  # its recording region, and its heartbeat
    SERVICE: {"memfd:sluice, writable": 1, "anonymous, writable": 1},
}
# Tables of the C library, which nobody can write.
HARMLESS = ("gconv-modules.cache, read-only", "locale-archive, read-only")

TLS = """
LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
Listen 127.0.0.1:{port}
SSLSessionCache shmcb:tls-sessions(512000)
<VirtualHost 127.0.0.1:{port}>
    SSLEngine on
    SSLCertificateFile {folder}/certificate.pem
    SSLCertificateKeyFile {folder}/key.pem
    ErrorLog "|/usr/bin/tee -a tls.log"
    CustomLog tls-access.log "%h %r"
</VirtualHost>
<Proxy balancer://nobody>
    BalancerMember http://127.0.0.1:1
</Proxy>
<Location /balancer-manager>
    SetHandler balancer-manager
</Location>
"""
OTHER_MODULES = (
    *("socache_shmcb", "status", "proxy", "proxy_http", "slotmem_shm"),
    *("proxy_balancer", "lbmethod_byrequests"),
)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")),
        ],
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture(scope="module", params=MPMS)
def server(request: pytest.FixtureRequest, serve_shared: Serve, certificate: Path) -> Iterator[Httpd]:
    """A server with all that modules of Apache open and share, and with each kind of daemon process."""
    yield serve_shared(
        *two_tenants(attacker="processes=2 server-metrics=On"),
        daemon_group(SERVICE, "threads=0"),
        f"WSGIImportScript ${{APPS}}/waiting_service.py process-group={SERVICE} application-group=%{{GLOBAL}}",
        script("/embedded", "witness_app.py", "%{GLOBAL}"),
        TLS.format(port=free_port(), folder=certificate),
        modules=OTHER_MODULES,
        mpm=request.param,
        processes=2,
    )


def kinds(server: Httpd) -> dict[str, list[int]]:
    groups = {name: daemons(server, name) for name in (ATTACKER, VICTIM, SERVICE)}
    helpers = [pid for pid in web_children(server) if not is_apache(pid)]
    return {"parent": [server.pid], "child": [pid for pid in web_children(server) if pid not in helpers], **groups}


def is_apache(pid: int) -> bool:
    return Path(f"/proc/{pid}/comm").read_text().startswith("apache2")


def everybody_serves(server: Httpd) -> None:
    """Each process has loaded its application, so that it has opened whatever it opens."""
    for path in ("/attacker/", "/victim/", "/embedded/"):
        for _ in range(8):
            assert server.get(path).status == 200

    def complete() -> bool:
        by_kind = kinds(server)
        return [len(by_kind[name]) for name in (ATTACKER, VICTIM, SERVICE)] == [2, 1, 1] and all(
            has_libpython(pid) for name in (ATTACKER, VICTIM, SERVICE) for pid in by_kind[name]
        )

    wait_until(complete, "all daemon processes")


def has_libpython(pid: int) -> bool:
    """The process runs Python, and so has left its preparation behind."""
    status = Path(f"/proc/{pid}/fd")
    return any(os.readlink(entry).endswith("/statm") for entry in status.iterdir())


def found_descriptors(pid: int, server: Httpd) -> Counter[str]:
    counts: Counter[str] = Counter()
    for name, count in descriptors(pid, server, Sockets.of(server)).items():
        if "/libffi.so." in name:
            continue  # the library keeps its own file open for its trampolines, from version 3.5 on
        if name == f"/proc/{pid}/statm":
            name = "own statistics"
        elif name.startswith("daemon listener"):
            name = "daemon listener"
        counts[name] += count
    return counts


def found_mappings(pid: int, server: Httpd) -> Counter[str]:
    counts: Counter[str] = Counter()
    for name, count in shared_mappings(pid).items():
        if name.endswith(HARMLESS):
            continue
        name = name.replace(str(server.layout.root), "ROOT")
        counts["slots of a balancer, writable" if name.startswith("/dev/shm/ShM.") else name.replace(" (deleted)", "")] += count
    return counts


def beyond(counts: Counter[str], allowed: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count > allowed.get(name, NEVER)}


def check_everybody(server: Httpd) -> None:
    everybody_serves(server)
    for kind, pids in kinds(server).items():
        assert pids, f"no {kind}"
        for pid in pids:
            too_many = beyond(found_descriptors(pid, server), ALLOWED_DESCRIPTORS[kind])
            assert not too_many, f"descriptors of {kind} {pid}: {too_many}"
            too_much = beyond(found_mappings(pid, server), ALLOWED_MAPPINGS[kind])
            assert not too_much, f"shared memory of {kind} {pid}: {too_much}"
    check_own_listener(server)


def check_own_listener(server: Httpd) -> None:
    """The listener of a daemon process is its group's, and no other group has it."""
    sockets = Sockets.of(server)
    listeners = {
        name: {purpose for pid in pids for purpose in descriptors(pid, server, sockets) if purpose.startswith("daemon listener")}
        for name, pids in kinds(server).items()
        if name in (ATTACKER, VICTIM)
    }
    assert len(listeners[ATTACKER]) == len(listeners[VICTIM]) == 1
    assert listeners[ATTACKER] != listeners[VICTIM]


def restart(server: Httpd) -> None:
    said = len(server.log_lines("resuming normal operations"))
    server.graceful()
    wait_until(lambda: len(server.log_lines("resuming normal operations")) > said, "a graceful restart")
    settle(server, lambda: True)


def settle(server: Httpd, condition: Callable[[], bool]) -> None:
    """Processes of the generation before have ended."""
    wait_until(
        lambda: (
            condition() and [len(daemons(server, name)) for name in (ATTACKER, VICTIM, SERVICE)] == [2, 1, 1]
        ),
        "no more processes than are configured",
    )


def test_each_process_holds_what_it_needs_and_nothing_else(server: Httpd) -> None:
    check_everybody(server)


def test_the_same_after_graceful_restarts(server: Httpd) -> None:
    for _ in range(RESTARTS):
        everybody_serves(server)
        restart(server)
    check_everybody(server)


@pytest.mark.parametrize("group", [ATTACKER, VICTIM, SERVICE])
def test_the_same_after_a_daemon_process_was_killed_and_replaced(server: Httpd, group: str) -> None:
    everybody_serves(server)
    pid = daemons(server, group)[0]
    os.kill(pid, signal.SIGKILL)
    settle(server, lambda: pid not in daemons(server, group))
    check_everybody(server)


def writable_files(pid: int) -> set[str]:
    """The files, named or not, that a process maps to write and to share."""
    lines = [line.split(maxsplit=5) for line in Path(f"/proc/{pid}/maps").read_text().splitlines()]
    return {f"{device}:{inode}" for _, permissions, _, device, inode, *_ in lines if permissions.startswith("rw-s")}


def test_memory_that_a_daemon_process_can_write_is_no_other_process_s_but_the_parent_s(server: Httpd) -> None:
    everybody_serves(server)
    files = {pid: writable_files(pid) for kind, pids in kinds(server).items() if kind != "parent" for pid in pids}
    for name in (ATTACKER, VICTIM, SERVICE):
        for pid in daemons(server, name):
            assert len(files[pid]) == 2
            shared = [other for other in files if other != pid and files[other] & files[pid]]
            assert not shared, f"{name} {pid} shares memory for writing with {shared}"
