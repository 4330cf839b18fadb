# SPDX-License-Identifier: Apache-2.0
"""The handler sluice-metrics while processes are killed, recycled and restarted: nothing is lost, doubled or taken back."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("prometheus_client")

from .endpoint import CLASSES, ENDPOINT, MODULES, SERVER_GROUP, Watcher, read, settled
from .httpd import Httpd, StartHttpd
from .load import Request, Tally, send_for, send_number
from .process import named_processes, wait_until
from .prometheus import scraping
from .scale import LONG_TIMEOUT_SECONDS, figure, scaled

APP = "WSGIScriptAlias / ${APPS}/endpoint_app.py application-group=%{GLOBAL}"
GROUP = ["WSGIDaemonProcess d display-name=%{GROUP} processes=2 threads=3", f"{APP} process-group=d"]
EMBEDDED = [f"{APP} process-group=%{{GLOBAL}}"]
STATUSES = [Request(f"/?status={status}") for status in (200, 201, 302, 404, 500, 503, 200)]
THREADS = 3
KILLS = scaled(10, 100)

pytestmark = pytest.mark.timeout(LONG_TIMEOUT_SECONDS)


def daemons(server: Httpd) -> list[int]:
    return named_processes(server.children(), "(wsgi:d)")


def kill_one(server: Httpd) -> None:
    """Kills the daemon process that began first, and waits for the next."""
    wait_until(lambda: len(daemons(server)) == 2, "both processes")
    victim = daemons(server)[0]
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: victim not in daemons(server) and len(daemons(server)) == 2, "another process")


@contextmanager
def asking(server: Httpd, tally: Tally) -> Iterator[None]:
    """Load in batches, each of which is added to the tally once it is answered."""
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            tally.merge(send_number(server.port, STATUSES, 70, clients=4, keep_alive=False))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def by_class(tally: Tally) -> dict[str, float]:
    return {status_class: tally.of_class(int(status_class[0])) for status_class in CLASSES}


@dataclass(frozen=True)
class Part:
    """A mapping of a memory file of the registry, as one process has it."""

    span: str
    mode: str
    inode: str


def registry_parts(pid: int) -> list[Part]:
    lines = [line.split() for line in Path(f"/proc/{pid}/maps").read_text().splitlines()]
    return [Part(line[0], line[1], line[4]) for line in lines if line[5:6] == ["/memfd:sluice"]]


def writable(pid: int) -> list[Part]:
    return [part for part in registry_parts(pid) if "w" in part.mode]


def committed_kib(server: Httpd) -> int:
    """Bytes of the shared memory, whichever process committed them."""
    spans = {part.inode: part.span for part in registry_parts(server.pid)}.values()
    return sum(Path(f"/proc/{server.pid}/map_files/{span}").stat().st_blocks // 2 for span in spans)


def test_kills_in_idle_moments_leave_every_count_exact(start_httpd: StartHttpd) -> None:
    server = start_httpd(*GROUP, *ENDPOINT, modules=MODULES, threads=8)
    tally = Tally()
    with Watcher(server) as watcher:
        for _ in range(KILLS):
            tally.merge(send_number(server.port, STATUSES, 35))
            assert settled(server, tally.responses).classes("d") == by_class(tally)
            kill_one(server)
            assert read(server).classes("d") == by_class(tally)
    assert not watcher.faults, watcher.faults[:5]
    assert watcher.readings > KILLS
    assert not tally.failures
    reading = read(server)
    assert reading.of("process_starts_total", "d") == 2 + KILLS
    assert reading.of("phase_duration_seconds_count", "d", "queue") == tally.responses


def test_kills_under_load_lose_at_most_what_they_broke_off(start_httpd: StartHttpd) -> None:
    server = start_httpd(*GROUP, *ENDPOINT, modules=MODULES, threads=12)
    kills = scaled(6, 100)
    tally = Tally()
    load = threading.Thread(
        target=lambda: tally.merge(
            send_for(server.port, [Request("/")], 0.4 * (kills + 2), clients=4, keep_alive=False)
        )
    )
    with Watcher(server) as watcher:
        load.start()
        for _ in range(kills):
            time.sleep(0.25)
            kill_one(server)
        load.join()
    assert not watcher.faults, watcher.faults[:5]
    answered = tally.of_class(2)
    counted = settled(server, answered).classes("d")["2xx"]
    broken = tally.responses - answered + len(tally.failures)
    figure(f"{kills} kills under load", answered=answered, counted=counted, broken=broken, readings=watcher.readings)
    # A process may be killed between the answer and the counting of it, or after the counting and before the answer.
    assert abs(counted - answered) <= kills * THREADS
    assert answered > kills


def test_graceful_restarts_leave_every_count_exact(start_httpd: StartHttpd, mpm: str) -> None:
    server = start_httpd(
        "WSGIDaemonProcess d display-name=%{GROUP} processes=2 threads=3",
        f"{APP.replace('/ ', '/d ')} process-group=d",
        f"{APP.replace('/ ', '/e ')} process-group=%{{GLOBAL}}",
        *ENDPOINT,
        modules=MODULES,
        mpm=mpm,
        processes=2,
    )
    requests = [Request("/d?status=200"), Request("/e?status=404"), Request("/e?status=201")]
    tally = Tally()
    restarts = scaled(3, 40)
    load = threading.Thread(
        target=lambda: tally.merge(
            send_for(server.port, requests, 0.7 * (restarts + 1), clients=2, keep_alive=False)
        )
    )
    with Watcher(server) as watcher:
        load.start()
        for _ in range(restarts):
            time.sleep(0.6)
            before = len(server.log_lines("resuming normal operations"))
            server.graceful()
            # Apache takes two requests for a restart as one if they come faster than it restarts.
            wait_until(
                lambda n=before: len(server.log_lines("resuming normal operations")) > n, "the next generation"
            )
        load.join()
        assert settled(server, tally.responses).classes() == by_class(tally)
    assert not watcher.faults, watcher.faults[:5]
    assert not tally.failures, tally.failures[:5]
    wait_until(lambda: len(daemons(server)) == 2, "the elders to be gone")
    reading = read(server)
    assert reading.classes() == by_class(tally)
    assert reading.of("process_starts_total", "d") == 2 * (restarts + 1)
    assert reading.of("unlisted_processes") == 0


def test_generations_that_linger_are_counted_each(start_httpd: StartHttpd) -> None:
    script = "WSGIScriptAlias /{0} ${{APPS}}/listed_app.py application-group=%{{GLOBAL}} process-group={1}"
    server = start_httpd(
        "WSGIDaemonProcess d processes=1 threads=2 graceful-timeout=600",
        script.format("d", "d"),
        script.format("e", "%{GLOBAL}"),
        *ENDPOINT,
        modules=MODULES,
        processes=1,
    )
    go_on = server.out / "go-on"
    generations = 4  # as many as the limit of processes of the server leaves room for
    with ThreadPoolExecutor(2 * generations) as pool:
        try:
            answers = []
            for number in range(1, generations + 1):
                answers += [pool.submit(server.get, f"/{where}?until={go_on}") for where in "de"]
                for group in ("d", SERVER_GROUP):
                    wait_until(
                        lambda g=group, n=number: read(server).of("active_requests", g) >= n, "a request in flight"
                    )
                before = len(server.log_lines("resuming normal operations"))
                server.graceful()
                wait_until(
                    lambda n=before: len(server.log_lines("resuming normal operations")) > n, "the next generation"
                )
            reading = read(server)
            assert reading.of("unlisted_processes") == 0
        finally:
            go_on.touch()
        assert [answer.result().status for answer in answers] == [200] * (2 * generations)
    reading = settled(server, 2 * generations)
    assert (reading.requests("d"), reading.requests(SERVER_GROUP)) == (generations, generations)


def test_a_restart_that_waits_for_nobody_keeps_the_totals(start_httpd: StartHttpd) -> None:
    server = start_httpd(*GROUP, *ENDPOINT, modules=MODULES)
    tally = send_number(server.port, STATUSES, 35)
    before = settled(server, 35)
    server.restart()
    server.wait_for_log("SIGHUP received")
    wait_until(lambda: read(server).of("process_starts_total", "d") == 4, "the next processes")
    after = read(server)
    assert after.classes("d") == by_class(tally)
    assert not after.lower_than(before)


def test_recycled_processes_of_the_server_leave_their_counts(start_httpd: StartHttpd, mpm: str) -> None:
    server = start_httpd(
        "MaxConnectionsPerChild 8", *EMBEDDED, *ENDPOINT, modules=MODULES, mpm=mpm, processes=2
    )
    tally = Tally()
    with Watcher(server) as watcher:
        for _ in range(scaled(2, 20)):
            tally.merge(send_number(server.port, STATUSES, 70, keep_alive=False))
            assert settled(server, tally.responses).classes(SERVER_GROUP) == by_class(tally)
    assert not watcher.faults, watcher.faults[:5]
    reading = read(server)
    assert reading.classes() == by_class(tally)
    assert reading.of("process_starts_total", SERVER_GROUP) > 5
    assert reading.of("unlisted_processes") == 0


def test_a_killed_process_of_the_server_leaves_its_counts(start_httpd: StartHttpd, mpm: str) -> None:
    server = start_httpd(*EMBEDDED, *ENDPOINT, modules=MODULES, mpm=mpm)
    tally = Tally()
    for _ in range(scaled(2, 30)):
        tally.merge(send_number(server.port, STATUSES, 14, keep_alive=False))
        settled(server, tally.responses)
        for pid in server.children():
            os.kill(pid, signal.SIGKILL)
        assert settled(server, tally.responses).classes(SERVER_GROUP) == by_class(tally)
    assert not tally.failures


def test_a_server_with_all_processes_that_it_may_have_counts_those_that_follow(start_httpd: StartHttpd, mpm: str) -> None:
    limit = 2
    lines = ["ServerLimit 2", "StartServers 2", f"MaxRequestWorkers {limit if mpm == 'prefork' else 4 * limit}"]
    if mpm != "prefork":
        lines += ["MaxSpareThreads 100"]
    server = start_httpd(*EMBEDDED, *ENDPOINT, *lines, modules=MODULES, mpm=mpm, processes=limit)
    tally = Tally()
    for _ in range(3):
        wait_until(lambda: len(server.children()) == limit, "all processes")
        tally.merge(send_number(server.port, STATUSES, 70, keep_alive=False))
        assert settled(server, tally.responses).classes(SERVER_GROUP) == by_class(tally)
        victim = server.children()[0]
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: victim not in server.children(), "its end")
    assert not server.log_lines("SLC0480")
    assert not tally.failures


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV], ids=["SIGKILL", "SIGSEGV"])
def test_processes_of_the_server_that_die_under_load_take_no_count_along(
    start_httpd: StartHttpd, how: signal.Signals
) -> None:
    server = start_httpd(*EMBEDDED, *ENDPOINT, modules=MODULES, processes=2, threads=THREADS)
    deaths = scaled(4, 40)
    tally = Tally()
    with asking(server, tally):
        for number in range(1, deaths + 1):
            answered_before, before_load = tally.responses, read(server)
            wait_until(lambda: tally.responses > answered_before + 20, "answers")
            answered, before = tally.responses, read(server)
            victim = server.children()[0]
            os.kill(victim, how)
            wait_until(lambda: victim not in server.children(), f"the end of {victim}")
            after = read(server)
            assert not before.lower_than(before_load) and not after.lower_than(before)
            assert after.requests() >= answered - number * THREADS
    reading = settled(server, tally.responses)
    figure(f"{deaths} deaths by {how.name}", answered=tally.responses, counted=reading.requests())
    # A process may die between the answer and the counting of it, or after the counting and before the answer.
    assert abs(reading.requests() - tally.responses) <= deaths * THREADS
    if how == signal.SIGSEGV:
        server.forget_crashes(deaths)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may look at what a mapping is made of")
def test_memory_is_bounded_over_restarts(start_httpd: StartHttpd) -> None:
    server = start_httpd(*GROUP, *ENDPOINT, modules=MODULES)

    def restart() -> None:
        starts = read(server).of("process_starts_total", "d")
        send_number(server.port, STATUSES, 21)
        server.graceful()
        wait_until(lambda: read(server).of("process_starts_total", "d") == starts + 2, "a restart")
        wait_until(lambda: len(daemons(server)) == 2, "the end of the elders")

    for _ in range(4):
        restart()
    before = committed_kib(server)
    for _ in range(scaled(6, 200)):
        restart()
        kill_one(server)
    after = committed_kib(server)
    figure("memory shared, KiB", before=before, after=after)
    assert 0 < before
    assert after <= before + 100  # about twenty regions of 20 KiB or more were created and freed
    assert read(server).of("unlisted_processes") == 0


def test_processes_reach_what_is_theirs_alone(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        *GROUP,
        "WSGIDaemonProcess other display-name=%{GROUP} " + ("user=daemon" if os.geteuid() == 0 else ""),
        *ENDPOINT,
        modules=MODULES,
    )
    read(server)
    wait_until(lambda: len(daemons(server)) == 2, "both processes")
    everybody = set(server.children())
    enclosed = {*daemons(server), *named_processes(list(everybody), "(wsgi:other)")}
    assert len(enclosed) == 3
    for pid in enclosed:
        assert [part.mode for part in registry_parts(pid)] == ["rw-s"]
    files = {part.inode for part in registry_parts(server.pid)}
    for pid in everybody - enclosed:
        assert len(writable(pid)) == 1
        assert {part.inode for part in registry_parts(pid)} == files
    own = [writable(pid)[0].inode for pid in everybody]
    assert len(set(own)) == len(everybody)


def test_prometheus_counts_what_the_client_counts_while_processes_are_killed(
    start_httpd: StartHttpd, tmp_path: Path
) -> None:
    server = start_httpd(*GROUP, *ENDPOINT, modules=MODULES, threads=8)
    tally = Tally()
    with scraping(server.port, tmp_path) as query:
        assert query("sluice_server_requests_total")
        for turn in range(scaled(6, 60)):
            tally.merge(send_for(server.port, STATUSES, 1.0, clients=2, keep_alive=False))
            settled(server, tally.responses)
            if turn % 3 == 2:
                server.graceful()
            else:
                kill_one(server)
        total = "sum(sluice_server_requests_total)"
        wait_until(lambda: float(query(total)[0]["value"][1]) >= tally.responses, "the last scrape")
        assert float(query(total)[0]["value"][1]) == tally.responses
        stored = query('sluice_requests_total{process_group="d"}')
        assert {series["metric"]["status_class"]: float(series["value"][1]) for series in stored} == by_class(tally)
        resets = query("sum(resets(sluice_server_requests_total[1h]))")
        assert float(resets[0]["value"][1]) == 0
        growth = float(query("sum(increase(sluice_server_requests_total[1h]))")[0]["value"][1])
        figure("prometheus", client=tally.responses, increase=f"{growth:.0f}")
        # Prometheus guesses what was before its first scrape and after its last.
        assert tally.responses * 0.7 < growth < tally.responses * 1.3
    assert not tally.failures
