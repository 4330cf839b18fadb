# SPDX-License-Identifier: Apache-2.0
"""`sluice check`: each diagnosis is produced on purpose, and a healthy server under load has none."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from apache.endpoint import read_json
from apache.httpd import Httpd
from apache.process import wait_until
from sluice.commands.check.diagnoses import Limits, Observation, diagnose
from sluice.monitor.reading import parse
from sluice.monitor.window import difference

from .endpoints import HOSTILE, INTERPRETED, answer, document, process, sluice, stub
from .endpoints import group as told
from .servers import group, in_flight, serving, under_load, url


def check(server: Httpd, *options: str, interval: float = 1.0) -> tuple[int, dict[str, str]]:
    """The exit status, and the text of each diagnosis of the group `d`; no other group may have one."""
    result = sluice("check", url(server), "--json", "--interval", str(interval), *options)
    assert result.stderr == ""
    report = json.loads(result.stdout)
    assert report["status"] == result.returncode
    assert {finding["group"] for finding in report["findings"]} <= {"d"}, report
    return result.returncode, {finding["diagnosis"]: finding["text"] for finding in report["findings"]}


def check_until_it_fails(server: Httpd, *options: str, interval: float = 1.0) -> tuple[int, dict[str, str]]:
    """The first check of twenty with status 1, or the last: on a busy machine an interval may show little of the load."""
    for _ in range(20):
        status, findings = check(server, *options, interval=interval)
        if status == 1:
            break
    return status, findings


@pytest.fixture(scope="module")
def healthy() -> Iterator[Httpd]:
    lines = ["WSGIMetricsSlowRequests 0.2", *group("d", "processes=2 threads=4")]
    with serving(*lines) as server, under_load(server, "/?sleep=0.005", "/?sleep=0.02&status=404", clients=3):
        yield server


def test_a_healthy_server_under_load_has_no_diagnosis(healthy: Httpd) -> None:
    for interval in (0.3, 1.0):
        assert check(healthy, interval=interval) == (0, {})
    result = sluice("check", url(healthy), "--interval", "0.3")
    assert result.returncode == 0
    assert result.stdout.startswith("healthy: 2 groups, 3 processes, ")
    before, after = (read_json(healthy)["total"]["requests"]["2xx"] for _ in range(2))
    assert after >= before > 10


def test_an_idle_server_has_no_diagnosis() -> None:
    with serving(*group("d", "processes=2 threads=2")) as server:
        assert check(server, interval=0.3) == (0, {})


def test_a_graceful_restart_under_load_is_no_fault(healthy: Httpd) -> None:
    """But a check in which all processes are replaced may find that the new ones have yet to load Python."""
    healthy.graceful()
    wait_until(lambda: read_json(healthy)["groups"][1]["process_starts"] >= 4, "the new processes")
    status, findings = check(healthy, "--fail-on", "full,stuck,restarting,not-starting,memory,unlisted,failing")
    assert status == 0, findings


def replaced_processes(*lives: tuple[int, ...]) -> tuple[int, dict[str, str]]:
    """The findings when groups have these young processes in three readings: a tuple for each reading, a pid for each group."""
    readings = [
        document(*(
            told(name, process_list=[process(pid, age_seconds=0.5)], process_starts=len({life[index] for life in lives[: number + 1]}))
            for index, (name, pid) in enumerate(zip(("%{GLOBAL}", "d"), pids))
        ))
        for number, pids in enumerate(lives)
    ]  # fmt: skip
    with stub(lambda number, head: answer(readings[number])) as endpoint:
        report = json.loads(sluice("check", endpoint.address, "--json", "--interval", "0.1").stdout)
    return report["status"], {finding["group"]: finding["diagnosis"] for finding in report["findings"]}


def test_a_graceful_restart_soon_after_another_is_no_fault() -> None:
    assert replaced_processes((1, 2), (1, 2), (3, 4)) == (0, {})
    assert replaced_processes((1, 2), (3, 4), (3, 4)) == (0, {})


def test_one_replacement_of_a_young_process_is_no_fault() -> None:
    """A changed script, or a changed module with --reload, replaces processes whenever the next request comes."""
    assert replaced_processes((1, 2), (1, 2), (1, 4)) == (0, {})
    assert replaced_processes((1, 2), (1, 4), (1, 4)) == (0, {})


def test_young_processes_of_one_group_that_end_again_and_again_are_a_fault() -> None:
    assert replaced_processes((1, 2), (1, 4), (1, 6)) == (1, {"d": "restarting"})
    assert replaced_processes((1, 2), (3, 4), (5, 6)) == (1, {"%{GLOBAL}": "restarting", "d": "restarting"})


def test_a_full_pool() -> None:
    with serving(*group("d", "processes=2 threads=1")) as server, in_flight(server, "/a", "/b"):
        status, findings = check(server)
        assert status == 1
        assert findings.keys() == {"full"}
        assert "all 2 threads are busy" in findings["full"]
        assert "active_requests 2 of threads_limit 2" in findings["full"]
        assert check(server, "--fail-on", "stuck", "--fail-above", "oldest=1000", interval=0.2)[0] == 0
        assert check_until_it_fails(server, "--fail-above", "capacity=0.9", interval=0.2)[0] == 1
        assert check(server, "--group", "%{GLOBAL}", interval=0.2) == (0, {})


def fullness(*moments: tuple[int, float]) -> dict[str, str]:
    """The findings about a group of 4 threads with these requests in flight, and seconds of requests, in three readings a second apart."""
    readings = [
        document(told(active_requests=active, busy_seconds=busy, process_list=[process(active_requests=active, busy_seconds=busy)]))
        for active, busy in moments
    ]
    instants = (0.0, 1.0, 2.0)
    first, middle, last = (parse(reading, instant) for reading, instant in zip(readings, instants))
    whole, early, late = difference(first, last), difference(first, middle), difference(middle, last)
    assert whole and early and late
    seen = Observation(whole.groups[0], early.groups[0], late.groups[0])
    return {finding.diagnosis: finding.text for finding in diagnose(seen, Limits())}


def test_a_pool_is_full_whether_or_not_a_thread_is_idle_at_an_instant() -> None:
    assert fullness((4, 0.0), (3, 3.9), (3, 7.8)).keys() == {"full"}
    assert fullness((0, 0.0), (0, 3.9), (0, 7.8)).keys() == {"full"}


def test_a_pool_that_is_full_at_instants_alone_is_not_full() -> None:
    assert fullness((0, 0.0), (0, 0.4), (4, 0.8)) == {}
    assert fullness((4, 0.0), (4, 1.0), (4, 2.0)) == {}
    assert fullness((0, 0.0), (4, 3.5), (4, 7.5)) == {}


@pytest.mark.parametrize(("full_readings", "status"), [(3, 0), (5, 1)])
def test_a_peak_of_one_interval_is_no_fault(full_readings: int, status: int) -> None:
    def respond(number: int, head: bytes) -> bytes:
        active = 4 if number < full_readings else 0
        # The requests in flight are as old as the readings are apart, however long that takes.
        spent = 4 * (time.monotonic() - begin) if active else 0.0
        return answer(document(told(active_requests=active, process_list=[process(active_requests=active, active_seconds=spent)])))

    begin = time.monotonic()
    with stub(respond) as endpoint:
        result = sluice("check", endpoint.address, "--json", "--interval", "0.5")
        assert len(endpoint.requests) == 5
    assert result.returncode == status
    assert [finding["diagnosis"] for finding in json.loads(result.stdout)["findings"]] == ["full"] * status


def test_counters_that_fall_are_named_and_hide_nothing_else() -> None:
    def respond(number: int, head: bytes) -> bytes:
        completed = {"requests": dict.fromkeys(("1xx", "3xx", "4xx", "5xx"), 0) | {"2xx": 100 - number}}
        stuck = told("stuck", longest_request_seconds=99.0)
        return answer(document(told("d", **completed, longest_request_seconds=50.0), stuck))

    with stub(respond) as endpoint:
        result = sluice("check", endpoint.address, "--json", "--interval", "0.1")
        report = json.loads(result.stdout)
        assert result.returncode == 1
        assert {(finding["group"], finding["diagnosis"]) for finding in report["findings"]} == {
            ("d", "counters-fell"), ("d", "stuck"), ("stuck", "stuck"),
        }  # fmt: skip
        assert sluice("check", endpoint.address, "--interval", "0.1", "--fail-on", "full,queueing").returncode == 0
        shown = json.loads(sluice("top", endpoint.address, "--once", "--json", "--interval", "0.1").stdout)["servers"][0]
    assert [group["counters_fell"] for group in shown["groups"]] == [True, False]
    assert shown["restarted"] is False


def test_requests_that_queue() -> None:
    with serving(*group("d", "processes=1 threads=1")) as server, under_load(server, "/?sleep=0.1", clients=4):
        status, findings = check_until_it_fails(server, "--fail-on", "queueing", interval=2.0)
        assert status == 1
        assert {"queueing"} <= findings.keys() <= {"full", "queueing"}
        assert "mean of phase 'queue'" in findings["queueing"]


def test_a_stuck_request_is_described_without_its_query_string() -> None:
    lines = ["WSGIMetricsSlowRequests 0.1", *group("d", "threads=4")]
    with serving(*lines) as server, in_flight(server, "/export?token=secret"):
        assert check(server, interval=0.2) == (0, {})  # it is not old enough
        status, findings = check(server, "--stuck-after", "0.5")
        assert status == 1
        assert findings.keys() == {"stuck"}
        assert "longest_request_seconds" in findings["stuck"]
        assert "GET /export in process" in findings["stuck"]
        assert "secret" not in findings["stuck"]


def test_a_script_that_ends_its_process_before_it_serves() -> None:
    script = "import os\nos._exit(0)\n"
    with serving(*group("d", "threads=2"), "WSGIImportScript ${APPS}/crash.py process-group=d application-group=%{GLOBAL}") as server:
        (server.apps / "crash.py").write_text(script)
        wait_until(lambda: read_json(server)["groups"][1]["process_starts"] >= 4, "restarts")
        status, findings = check(server, interval=3.0)
        assert status == 1
        assert findings.keys() == {"not-starting"}
        assert "process_starts +" in findings["not-starting"]


def test_a_group_that_cannot_be_set_up(tmp_path: Path) -> None:
    with serving(*group("d", f"home={tmp_path / 'absent'}")) as server:
        wait_until(lambda: server.log_lines("SLC0500"), "the process that refuses")
        status, findings = check(server)
        assert status == 1
        assert findings.keys() == {"not-starting"}
        assert "refusing" in findings["not-starting"]


def test_a_process_that_crashes_again_and_again() -> None:
    with serving(*group("d", "threads=2")) as server, under_load(server, "/", "/?exit=1", clients=1):
        wait_until(lambda: read_json(server)["groups"][1]["process_starts"] >= 3, "restarts")
        status, findings = check_until_it_fails(server, "--fail-on", "restarting", interval=3.0)
        assert status == 1
        assert "restarting" in findings
        assert "not-starting" not in findings
        assert "process_starts +" in findings["restarting"]


def test_a_thread_that_keeps_the_gil() -> None:
    hog = ["/hog?gil=0.2"]
    with (
        serving(*group("d", "threads=8")) as server,
        under_load(server, *hog, clients=1),
        under_load(server, "/?sleep=0.001", clients=2),
    ):
        status, findings = check_until_it_fails(server, "--fail-on", "gil", interval=2.0)
        assert status == 1
        assert findings.keys() == {"gil"}
        assert "phase 'gil_wait'" in findings["gil"]


def test_an_application_that_fails() -> None:
    with serving(*group("d", "threads=4")) as server, under_load(server, "/?status=500&sleep=0.01"):
        status, findings = check(server)
        assert status == 1
        assert findings.keys() == {"failing"}


def test_memory_that_grows() -> None:
    with serving(*group("d", "threads=4")) as server, in_flight(server, "/leak?memory=3"):
        status, findings = check(server, "--memory-growth", "8", interval=2.0)
        assert status == 1
        assert findings.keys() == {"memory"}
        assert "resident_memory_bytes" in findings["memory"]
        assert check(server, "--memory-growth", "100000", interval=0.2) == (0, {})


def test_processes_that_are_not_listed() -> None:
    """Groups whose processes fail before they start their many threads leave no memory for so many regions of `d`."""
    sizes = (10000, 1000, 100, 10, 3)
    large = [line for size in sizes for line in group(f"of{size}", f"processes=5 threads={size} home=/absent", f"/of{size}")]
    with serving(*group("d", "processes=4 threads=2"), *large) as server:
        wait_until(lambda: read_json(server)["groups"][1]["processes"] == 4, "the processes")
        result = sluice("check", url(server), "--group", "d", "--interval", "0.3")
        assert result.returncode == 1
        assert re.match(r"unlisted: group 'd': the requests of [34] of 4 processes are in no figure", result.stdout)
        assert result.stdout.count("\n") == 1


# The exit status, and what cannot be told.


def test_a_server_that_does_not_answer_cannot_be_told() -> None:
    with stub(answer(b"no", "403 Forbidden")) as endpoint:
        result = sluice("check", endpoint.address)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(f"sluice check: {endpoint.address}: the server answers 403")
    assert result.stderr.count("\n") == 1


def test_a_restart_between_the_readings_cannot_be_told() -> None:
    with stub(lambda number, head: answer({**document(told()), "start_time": 1.0 + number})) as endpoint:
        result = sluice("check", endpoint.address, "--interval", "0.1", "--json")
    assert result.returncode == 2
    assert "was started between two readings" in json.loads(result.stdout)["error"]


def test_a_group_that_is_not_there_cannot_be_told() -> None:
    with stub(document(told())) as endpoint:
        assert "no process group 'x'" in sluice("check", endpoint.address, "--group", "x", "--interval", "0.1").stderr
        assert sluice("check", endpoint.address, "--group", "x", "--interval", "0.1", "--quiet").returncode == 2


BUSY = told(active_requests=4, longest_request_seconds=99.5, process_list=[{**told()["process_list"][0], "active_requests": 4}])


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ([], 1),
        (["--fail-on", "any"], 1),
        (["--fail-on", "stuck"], 1),
        (["--fail-on", "full,stuck"], 1),
        (["--fail-on", "full"], 0),
        (["--fail-above", "oldest=99"], 1),
        (["--fail-above", "oldest=100"], 0),
        (["--fail-above", "oldest=100", "--fail-above", "capacity=0"], 0),
        (["--stuck-after", "100"], 0),
    ],
)
def test_what_counts_for_the_exit_status(options: list[str], status: int) -> None:
    with stub(document(BUSY)) as endpoint:
        result = sluice("check", endpoint.address, "--interval", "0.1", *options)
    assert result.returncode == status
    if "--stuck-after" not in options:
        assert "stuck: group 'd': a request has been in flight for 100 s" in result.stdout


@pytest.mark.parametrize(
    "options",
    [
        ["--fail-on", "full,full2"],
        ["--fail-on", ""],
        ["--fail-above", "capacity"],
        ["--fail-above", "x=1"],
        ["--fail-above", "capacity=nan"],
        ["--interval", "0"],
        ["--timeout", "inf"],
        ["--path", "metrics"],
        ["--memory-growth", "-1"],
        ["ftp://host/"],
    ],
)
def test_wrong_arguments(options: list[str]) -> None:
    result = sluice("check", *options)
    assert result.returncode == 2
    assert "error: " in result.stderr and "Traceback" not in result.stderr


def test_names_of_the_server_do_not_reach_the_terminal_as_they_are() -> None:
    slow = {"process_group": HOSTILE, "pid": 1, "thread": 1, "age_seconds": 99, "method": HOSTILE, "path": HOSTILE}
    hostile = {**BUSY, "process_group": HOSTILE}
    with stub(document(hostile, slow_requests=[slow])) as endpoint:
        for options in ([], ["--json"]):
            result = sluice("check", endpoint.address, "--interval", "0.1", *options)
            assert result.returncode == 1
            assert "[31mb" in result.stdout
            assert not any(character in result.stdout for character in INTERPRETED)
            assert result.stdout.count("\n") == 1


@pytest.mark.parametrize("path", ["metrics", "/a b", "/\u00fc", "/a\n"])
def test_a_path_that_no_request_can_have_is_a_mistake_of_usage(path: str) -> None:
    done = sluice("check", "--path", path, "localhost:1")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("sluice check: error: --path has to begin with / and to have no spaces")
