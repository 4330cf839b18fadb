# SPDX-License-Identifier: Apache-2.0
"""A daemon process that answers with bytes of its own choice: Apache sends a client an error or a response that is visibly
broken, and nothing of it to any other request (I3)."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from apache.client import HOST, fetch, request_head
from apache.httpd import Httpd
from apache.process import memory_kib, open_files
from apache.wire import frame, header, raw_frame, response

from .bystanders import Bystanders
from .forged_responses import BODY, DATA, END, FORGED, HEAD, PLAIN, Forged, length
from .frames import limits
from .server import ATTACKER, VICTIM, Serve, daemon_group, daemons, script, two_tenants, web_children
from .threads import check_threads

THREADS = 4
GROWTH_KIB = 8 * 1024
SILENCE_SECONDS = 2
EXCHANGE_SECONDS = 4
EXCHANGE_OPTION = f" exchange-timeout={EXCHANGE_SECONDS}"
BATCH = 60

_files = itertools.count()


@dataclass(frozen=True)
class Seen:
    """The part of one response that a client saw."""

    status: int | None
    body: bytes
    complete: bool
    raw_headers: str = ""

    @property
    def refused(self) -> bool:
        # A final status below 200 ends the connection: no client takes anything that follows for its answer.
        closed = self.status is not None and self.status < 200 and "connection: close" in self.raw_headers.lower()
        return self.status is None or self.status >= 500 or not self.complete or closed


@pytest.fixture(scope="module", params=["event", "prefork"])
def server(request: pytest.FixtureRequest, serve_shared: Serve) -> Iterator[Httpd]:
    lines = [line for line in two_tenants() if not line.startswith(f"WSGIDaemonProcess {ATTACKER}")]
    server = serve_shared(
        daemon_group(ATTACKER, f"threads={THREADS} socket-timeout={SILENCE_SECONDS}{EXCHANGE_OPTION}"),
        script("/forger", "forger_app.py", ATTACKER),
        *lines,
        "LogLevel wsgi:error",
        mpm=request.param,
        processes=2 * THREADS if request.param == "prefork" else 2,
        threads=2 * THREADS,
    )
    warm_up(server)
    yield server


def warm_up(server: Httpd) -> None:
    """Every process and thread has done everything once, so that memory that grows from here on is lost."""
    large = put(server, response(headers=PLAIN) + raw_frame("data", bytes(4 << 20)) + END)
    unknown_frame = put(server, raw_frame(99))

    def ask() -> None:
        for path in [f"/{VICTIM}", f"/forger/forge_slowly?pause=0&file={unknown_frame}"] * 10:
            fetch(server.port, path)
        fetch(server.port, f"/forger/forge_slowly?whole=1&pause=0&file={large}")

    def ask_quietly() -> None:
        # Attacks at the same time may take one another's connections.
        with contextlib.suppress(http.client.HTTPException, OSError):
            ask()

    threads = [threading.Thread(target=ask_quietly) for _ in range(2 * THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def put(server: Httpd, data: bytes) -> str:
    name = f"forged-{next(_files)}"
    (server.out / name).write_bytes(data)
    return name


def see(connection: http.client.HTTPConnection, path: str, method: str = "GET", body: bytes | None = None) -> Seen:
    try:
        connection.request(method, path, body=body)
        answer = connection.getresponse()
    except (http.client.HTTPException, OSError):
        connection.close()
        return Seen(None, b"", False)
    try:
        return Seen(answer.status, answer.read(), True, str(answer.msg))
    except http.client.IncompleteRead as error:
        connection.close()
        return Seen(answer.status, error.partial, False, str(answer.msg))
    except (OSError, OverflowError):  # OverflowError when the announced length exceeds what Python can count
        connection.close()
        return Seen(answer.status, b"", False, str(answer.msg))


def attack(server: Httpd, case: Forged, number: int) -> str | None:
    """Sends one forged response, and the next request on the same connection. Returns what was wrong, if anything."""
    connection = http.client.HTTPConnection(HOST, server.port, timeout=20)
    with contextlib.closing(connection):
        seen = see(connection, f"/forger/forge?file={put(server, case.sent)}")
        marker = f"next{number}"
        after = see(connection, f"/{VICTIM}?marker={marker}")
    if after.status is None:  # the server closed the connection, before the next request or because of it
        response = fetch(server.port, f"/{VICTIM}?marker={marker}")
        after = Seen(response.status, response.body, True)
    if after.status != 200 or after.body.split()[:2] != [VICTIM.encode(), marker.encode()]:
        return f"the next request got {after}"
    if "x-forged" in seen.raw_headers.lower():
        return f"a forged field reached the client: {seen}"
    if seen.refused:
        return None
    if case.whole and BODY.startswith(seen.body):
        return None
    return f"it looks whole: {seen}"


def batches() -> list[list[Forged]]:
    return [FORGED[at : at + BATCH] for at in range(0, len(FORGED), BATCH)]


def test_there_are_enough_kinds() -> None:
    assert len(FORGED) == len({case.name for case in FORGED})
    assert len(FORGED) >= 60


@pytest.mark.parametrize("batch", batches(), ids=lambda batch: batch[0].name.replace(" ", "-"))
def test_a_forged_response_reaches_no_other_request(server: Httpd, batch: list[Forged]) -> None:
    children = web_children(server)
    memory = {pid: memory_kib(pid) for pid in children}
    files = {pid: open_files(pid) for pid in children}
    # The requests to the victim's group are counted by the attack itself.
    bystanders = Bystanders(server, [], [*children, *daemons(server, VICTIM), *daemons(server, ATTACKER)])
    faults = [f"{case.name}: {fault}" for number, case in enumerate(batch) if (fault := attack(server, case, number))]
    assert not faults, "\n".join(faults)
    bystanders.check()
    for pid in children:
        assert memory_kib(pid) - memory[pid] < GROWTH_KIB, "the memory of an Apache child has grown"
        assert open_files(pid) - files[pid] < 8
    check_threads(server, "/forger/meet")


def test_lines_that_the_log_does_not_take_leave_room_for_those_that_it_takes(server: Httpd) -> None:
    unlogged, logged = (frame("log", level=level, text=text) for level, text in ((3, "x" * 4000), (0, "ROOM-LEFT" + "x" * 3990)))
    path = put(server, unlogged * 10_000 + logged + HEAD + DATA + END)
    with contextlib.closing(http.client.HTTPConnection(HOST, server.port, timeout=60)) as connection:
        see(connection, f"/forger/forge?file={path}&seconds=5")
    server.wait_for_log("ROOM-LEFT")


# In time


def run_attack(server: Httpd, path: str, method: str = "GET", body: bytes | None = None) -> Seen:
    """An attack that may take its time: the other tenant is served meanwhile. Returns what was seen."""
    bystanders = Bystanders(server, [VICTIM], [*web_children(server), *daemons(server, VICTIM)])
    seen: list[Seen] = []

    def ask() -> None:
        with contextlib.closing(http.client.HTTPConnection(HOST, server.port, timeout=60)) as connection:
            seen.append(see(connection, path, method, body))

    thread = threading.Thread(target=ask)
    thread.start()
    while thread.is_alive():
        bystanders.ask(1)
        thread.join(0.2)
    bystanders.check()
    check_threads(server, "/forger/meet")
    return seen[0]


def timeouts(server: Httpd) -> int:
    """The exchanges that ended because of a timeout, and not because of what the process sent."""
    return len(server.log_lines("SLC0412"))


@pytest.mark.parametrize("part", ["head", "header", "body"])
def test_a_response_that_trickles_in_ends_in_time(server: Httpd, part: str) -> None:
    """A byte a second keeps every single wait short; the whole exchange has a limit, too."""
    sent = {"head": HEAD, "header": header("data", 1000) + bytes(1000), "body": HEAD + header("data", 1000) + bytes(1000)}
    before = timeouts(server)
    assert run_attack(server, f"/forger/forge_slowly?pause=1&file={put(server, sent[part])}").refused
    assert timeouts(server) == before + 1


def test_silence_ends_in_time(server: Httpd) -> None:
    before = timeouts(server)
    assert run_attack(server, f"/forger/forge?seconds=8&file={put(server, HEAD[:10])}").refused
    assert timeouts(server) == before + 1


def test_an_endless_body_takes_no_memory_and_ends_in_time(server: Httpd) -> None:
    memory = {pid: memory_kib(pid) for pid in web_children(server)}
    rest = put(server, raw_frame("data", bytes(1 << 20)))
    path = f"/forger/forge_without_end?seconds=20&file={put(server, HEAD)}&rest={rest}"
    before = timeouts(server)
    with server.raw() as client:
        client.send(request_head("GET", path))
        taken = 0
        with contextlib.suppress(OSError):
            while data := client._socket.recv(1 << 20):
                taken += len(data)
    assert taken > 1 << 20
    assert timeouts(server) == before + 1
    assert max(memory_kib(pid) - memory[pid] for pid in memory) < GROWTH_KIB
    check_threads(server, "/forger/meet")


@pytest.mark.parametrize("kind", ["read_request", "failed", "retry", "break", "unknown"])
def test_giant_control_frames_take_no_memory(server: Httpd, kind: str) -> None:
    memory = {pid: memory_kib(pid) for pid in web_children(server)}
    beginning = put(server, header(1000 if kind == "unknown" else kind, 1 << 30))
    path = f"/forger/forge_without_end?seconds=3&file={beginning}&rest={put(server, bytes(1 << 20))}"
    for _ in range(3):
        assert run_attack(server, path).refused
    peak = max(memory_kib(pid, "VmHWM") - memory[pid] for pid in memory)
    assert peak < 4 * GROWTH_KIB, f"a peak of {peak} KiB more"


def test_the_largest_head_is_bounded(server: Httpd) -> None:
    """As much as a head may have, and ten times so: no memory stays behind."""
    memory = {pid: memory_kib(pid) for pid in web_children(server)}
    _, most = limits("response")
    size = most // 70 - 1
    for count in (size, 10 * size):
        run_attack(server, f"/forger/forge?file={put(server, response(headers=[('X-Long', 'y' * 50)] * count) + DATA + END)}")
    assert max(memory_kib(pid) - memory[pid] for pid in memory) < 3 * GROWTH_KIB


# With a body of the request


def read_frames(count: int, least: int, most: int) -> bytes:
    return frame("read_request", least=least, most=most) * count


@pytest.mark.parametrize(
    "sent",
    [
        read_frames(2, 1, 100) + HEAD + DATA + END,
        read_frames(50, 1, 1 << 40),
        read_frames(3, 100, 1 << 62) + HEAD + DATA + END,
        HEAD + read_frames(3, 1, 10) + DATA + END,
        HEAD + DATA + END + read_frames(10, 1, 100),
    ],
    ids=["twice", "fifty-times", "more-than-there-is", "after-the-head", "after-the-end"],
)
def test_requests_for_a_body_beyond_its_end_desynchronise_nothing(server: Httpd, sent: bytes) -> None:
    body = b"z" * 10
    with contextlib.closing(http.client.HTTPConnection(HOST, server.port, timeout=20)) as connection:
        seen = see(connection, f"/forger/forge?seconds=0.2&file={put(server, sent)}", "POST", body)
        assert seen.refused or seen.body == BODY
        after = see(connection, f"/{VICTIM}?marker=after")
        if after.status is None:
            response = fetch(server.port, f"/{VICTIM}?marker=after")
            after = Seen(response.status, response.body, True)
    assert after.body.split()[:2] == [VICTIM.encode(), b"after"]


def test_a_retry_is_answered_by_another_attempt(server: Httpd) -> None:
    with contextlib.closing(http.client.HTTPConnection(HOST, server.port, timeout=20)) as connection:
        seen = see(connection, f"/forger/forge?file={put(server, raw_frame('retry'))}")
    assert (seen.status, seen.body) == (200, b"served again")


def test_descriptors_that_are_sent_along_do_not_stay(server: Httpd) -> None:
    children = web_children(server)
    before = {pid: open_files(pid) for pid in children}
    for _ in range(10):
        run_attack(server, f"/forger/forge_with_descriptors?file={put(server, response(headers=PLAIN) + DATA + END)}")
    assert all(open_files(pid) - before[pid] < 8 for pid in children)


def test_a_proper_response_that_is_written_by_hand_passes(server: Httpd) -> None:
    """The frames of this file are those of the protocol: what is wrong in the others is wrong by intention."""
    sent = response(headers=length(len(BODY))) + DATA + END
    with contextlib.closing(http.client.HTTPConnection(HOST, server.port, timeout=20)) as connection:
        seen = see(connection, f"/forger/forge?file={put(server, sent)}")
    assert seen == Seen(200, BODY, True, seen.raw_headers)
