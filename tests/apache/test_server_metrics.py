# SPDX-License-Identifier: Apache-2.0
"""server_metrics() beside mod_status of the same Apache."""

from __future__ import annotations

import threading
import time
from typing import Any, get_type_hints

import pytest
from sluice.metrics import ServerMetrics, ServerProcess, ServerWorker

from .client import RawClient
from .httpd import Httpd, StartHttpd
from .process import wait_until

STATUS = ["<Location /server-status>", "    SetHandler server-status", "</Location>"]
APP = "WSGIScriptAlias /app ${APPS}/server_app.py"
MODES = {
    "embedded": [APP, "WSGIServerMetrics On"],
    "daemon": [
        "WSGIDaemonProcess seer threads=2 server-metrics=on",
        f"{APP} process-group=seer application-group=%{{GLOBAL}}",
    ],
}
LETTERS = set("._SRWKLDCGI")

Server = dict[str, Any]


def start(start_httpd: StartHttpd, mode: str, **options: Any) -> Httpd:
    return start_httpd(*MODES[mode], *STATUS, modules=["status"], **options)


@pytest.fixture(params=sorted(MODES))
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def metrics_of(server: Httpd) -> Server:
    metrics: Server = server.get("/app").json()
    return metrics


def status_of(server: Httpd) -> dict[str, str]:
    lines = server.get("/server-status?auto").text.splitlines()
    return dict(line.split(": ", 1) for line in lines if ": " in line)


def workers_of(metrics: Server) -> list[dict[str, Any]]:
    return [worker for process in metrics["processes"] for worker in process["workers"]]


def letters_of(metrics: Server) -> str:
    return "".join(worker["status"] for worker in workers_of(metrics))


class SlowRequest:
    """A request that keeps a worker busy until the test is over."""

    def __init__(self, server: Httpd, path: str, seconds: float) -> None:
        self.status = 0
        self._thread = threading.Thread(target=self._run, args=(server, path, seconds))
        self._thread.start()

    def _run(self, server: Httpd, path: str, seconds: float) -> None:
        self.status = server.get(f"{path}?{seconds}").status

    def wait(self) -> None:
        self._thread.join()
        assert self.status == 200


def accesses_of(metrics: Server) -> int:
    return sum(worker["access_count"] for worker in workers_of(metrics))


def is_typed(value: dict[str, Any], shape: type) -> bool:
    hints = get_type_hints(shape)
    plain = {key: hint for key, hint in hints.items() if hint in (int, float, str, bool)}
    return list(value) == list(hints) and all(type(value[key]) is hint for key, hint in plain.items())


# Gates


def test_it_is_none_where_the_configuration_does_not_allow_it(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "WSGIDaemonProcess blind server-metrics=off",
        "WSGIDaemonProcess silent",
        "WSGIScriptAlias /off ${APPS}/server_app.py process-group=blind",
        "WSGIScriptAlias /unsaid ${APPS}/server_app.py process-group=silent",
        "WSGIScriptAlias /embedded ${APPS}/server_app.py process-group=%{GLOBAL}",
    )
    assert [server.get(path).text for path in ("/off", "/unsaid", "/embedded")] == ["null"] * 3


def test_each_gate_opens_its_own_processes_only(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "WSGIServerMetrics On",
        "WSGIDaemonProcess blind",
        "WSGIScriptAlias /blind ${APPS}/server_app.py process-group=blind",
        "WSGIScriptAlias /embedded ${APPS}/server_app.py process-group=%{GLOBAL}",
    )
    assert server.get("/blind").text == "null"
    assert server.get("/embedded").json() is not None


# Shape


def test_keys_and_types_are_those_of_the_specification(
    start_httpd: StartHttpd, mpm: str, mode: str
) -> None:
    server = start(start_httpd, mode, mpm=mpm, processes=2)
    before = time.time()
    metrics = metrics_of(server)
    assert is_typed(metrics, ServerMetrics)
    assert len(metrics["processes"]) == metrics["server_limit"]
    for number, process in enumerate(metrics["processes"]):
        assert is_typed(process, ServerProcess)
        assert process["process_num"] == number
        assert len(process["workers"]) == metrics["thread_limit"]
        for thread, worker in enumerate(process["workers"]):
            assert is_typed(worker, ServerWorker)
            assert worker["thread_num"] == thread
            assert worker["status"] in LETTERS
    assert before - 1 <= metrics["current_time"] <= time.time() + 1
    assert 0 <= metrics["current_time"] - metrics["restart_time"] < 60
    assert metrics["running_time"] == int(metrics["current_time"] - metrics["restart_time"])


def test_places_without_a_process_are_empty(start_httpd: StartHttpd, mode: str) -> None:
    metrics = metrics_of(start(start_httpd, mode))
    unused = [process for process in metrics["processes"] if process["pid"] == 0]
    assert unused
    for worker in (worker for process in unused for worker in process["workers"]):
        del worker["thread_num"]
        assert worker == {
            "generation": 0,
            "status": ".",
            "access_count": 0,
            "bytes_served": 0,
            "start_time": 0.0,
            "stop_time": 0.0,
            "last_used": 0.0,
            "client": "",
            "request": "",
            "vhost": "",
        }


# Against mod_status


def agree(everybody: str, theirs: str) -> bool:
    """Each request is itself in its own picture, and those before may be ending in it, so up to three letters may differ.
    mod_status leaves out the places of processes that do not run."""
    ours, others = everybody[: len(theirs)], everybody[len(theirs) :]
    assert set(others) <= {"."}
    apart = [pair for pair in zip(ours, theirs, strict=True) if pair[0] != pair[1]]
    return len(apart) <= 3 and all(set(pair) <= set("W_C.KR") for pair in apart) and "W" in ours and "W" in theirs


def test_letters_and_totals_agree_with_mod_status(
    start_httpd: StartHttpd, mpm: str, mode: str
) -> None:
    server = start(start_httpd, mode, mpm=mpm, processes=3 if mpm == "prefork" else 2)
    answered = 0

    def look() -> Server:
        nonlocal answered
        answered += 1
        return metrics_of(server)

    for _ in range(20):
        server.get("/app/")
    slow = SlowRequest(server, "/app/sleep", 2.0)
    wait_until(lambda: "/app/sleep" in str(look()), "the slow request")
    pictures: list[tuple[Server, dict[str, str], Server]] = []

    def pictures_agree() -> bool:
        """Whether the letters before and after those of mod_status are the same but for connections that end meanwhile."""
        nonlocal answered
        first = look()
        status = status_of(server)
        answered += 1
        pictures.append((first, status, look()))
        return all(agree(letters_of(metrics), status["Scoreboard"]) for metrics in (first, pictures[-1][2]))

    wait_until(pictures_agree, "the same letters in both")
    first, status, second = pictures[-1]
    accesses = [accesses_of(metrics) for metrics in (first, second)]
    served = [sum(worker["bytes_served"] for worker in workers_of(metrics)) for metrics in (first, second)]
    assert accesses[0] <= int(status["Total Accesses"]) <= accesses[1]
    assert served[0] // 1024 <= int(status["Total kBytes"]) <= served[1] // 1024
    slow.wait()
    answered += 21  # the requests of this test, without those of look()
    # A request is counted once its answer has been sent: not yet in its own answer.
    wait_until(lambda: accesses_of(look()) == answered - 1, "each request counted once")


def test_a_worker_with_a_slow_request_shows_what_it_does(start_httpd: StartHttpd, mode: str) -> None:
    server = start(start_httpd, mode)
    slow = SlowRequest(server, "/app/sleep", 1.5)

    def busy() -> list[dict[str, Any]]:
        return [worker for worker in workers_of(metrics_of(server)) if "/app/sleep" in worker["request"]]

    wait_until(lambda: bool(busy()), "the slow request")
    (worker,) = busy()
    assert worker["status"] == "W"
    assert worker["request"] == "GET /app/sleep?1.5 HTTP/1.1"
    assert worker["client"] == "127.0.0.1"
    assert worker["vhost"].startswith("localhost")
    assert worker["last_used"] > 0.0
    slow.wait()


def test_a_graceful_restart_raises_the_generation_and_shows_who_is_leaving(
    start_httpd: StartHttpd, mpm: str
) -> None:
    server = start(start_httpd, "embedded", mpm=mpm)
    before = metrics_of(server)
    slow = SlowRequest(server, "/app/sleep", 3.0)
    wait_until(lambda: "W" in status_of(server)["Scoreboard"], "the slow request")
    time.sleep(0.3)
    server.graceful()

    def after() -> Server | None:
        metrics = metrics_of(server)
        return metrics if metrics["running_generation"] > before["running_generation"] else None

    wait_until(lambda: after() is not None, "the next generation")
    metrics = after()
    assert metrics is not None
    assert metrics["running_generation"] == before["running_generation"] + 1
    assert metrics["restart_time"] == before["restart_time"]  # Apache's own: of restarts that are not graceful

    def leaving() -> list[Server]:
        return [process for process in metrics_of(server)["processes"] if process["quiescing"]]

    if mpm == "event":  # the scoreboards of other MPMs were not seen to show it
        wait_until(lambda: bool(leaving()), "a process that is leaving")
        assert all(process["generation"] == before["running_generation"] for process in leaving())
    slow.wait()


# Clients that try to harm it


@pytest.mark.parametrize(
    "line",
    [
        b"GET /app/\xff\xfe\xe9\x80?token=\xc3\xa9 HTTP/1.1",
        b"GET /app/%ff%00%0a%0d" + b"A" * 300 + b" HTTP/1.1",
        b"\xc3\x28\xa0\xa1 / HTTP/1.1",
    ],
    ids=["latin-1", "long", "no method"],
)
def test_any_bytes_of_a_client_are_harmless(
    start_httpd: StartHttpd, mode: str, line: bytes
) -> None:
    server = start(start_httpd, mode)
    with RawClient(server.port) as client:
        client.send(line + b"\r\nHost: \xe9\r\nConnection: close\r\n\r\n")
        client.read_to_end()
    for worker in workers_of(metrics_of(server)):
        assert len(worker["request"]) <= 64
        assert len(worker["vhost"]) <= 32
        worker["request"].encode("latin-1")


def test_pictures_taken_by_all_workers_at_once_are_whole(
    start_httpd: StartHttpd, mode: str
) -> None:
    server = start(start_httpd, mode, processes=2)
    stop = time.monotonic() + 2.0
    pictures = [0] * 4
    failures: list[str] = []

    def ask(number: int) -> None:
        while time.monotonic() < stop:
            metrics = metrics_of(server)
            pictures[number] += 1
            if len(workers_of(metrics)) != metrics["server_limit"] * metrics["thread_limit"]:
                failures.append("a picture with gaps")
            if not {worker["status"] for worker in workers_of(metrics)} <= LETTERS:
                failures.append("a letter of nobody")

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert all(pictures)


def test_a_worker_counts_from_the_start_of_its_process(start_httpd: StartHttpd, mode: str) -> None:
    most = 3
    server = start_httpd(
        *MODES[mode], *STATUS, f"MaxConnectionsPerChild {most}", modules=["status"], mpm="prefork"
    )
    counts = []
    for _ in range(3 * most):
        metrics = metrics_of(server)
        counts += [worker["access_count"] for worker in workers_of(metrics) if worker["status"] == "W"]
    assert 0 < max(counts) <= most
