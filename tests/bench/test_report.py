# SPDX-License-Identifier: Apache-2.0
"""The report on a stand-in for the benchmark binary that always gives the same figures."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

REPORT = Path(__file__).parents[2] / "bench" / "report.py"

ONE_THREAD = {"record": 20.0, "floor": 16.0, "locked": 90.0, "locked_seconds": 120.0, "lock_by_slot": 30.0}
ONE_THREAD |= {"atomics": 60.0, "prometheus_cpp": 240.0, "record_tail": 0.0, "locked_tail": 0.0}
ONE_THREAD |= {"small_record": 8.0, "small_series": 10.0, "small_floor": 4.0, "small_prometheus_cpp": 32.0}
ONE_THREAD |= {"shared": 60.0, "small_shared": 20.0}
ONE_THREAD |= {"drain_busy": 30_000.0, "drain_idle": 3_000.0, "copy_busy": 6_000.0}
ONE_THREAD |= {"scrape": 2_000_000.0, "read_registry": 1_500_000.0, "copy_registry": 1_000_000.0}
TWO_THREADS = {"record": 11.0, "floor": 9.0, "locked": 110.0, "locked_seconds": 150.0, "lock_by_slot": 16.0}
TWO_THREADS |= {"atomics": 280.0, "prometheus_cpp": 900.0, "shared": 36.0, "small_shared": 15.0}
TAILS = {"record_tail": 500.0, "locked_tail": 4_000.0}


def run(name: str, threads: int, ns: float, index: int) -> dict[str, object]:
    """Return one repetition. The first is an outlier, as on a busy machine."""
    times = {"real_time": ns * (50 if index == 0 else 1), "cpu_time": ns * threads}
    tail = {"p9999_ns": TAILS[name]} if name in TAILS else {}
    return {"run_name": f"{name}/more/threads:{threads}", "run_type": "iteration", "threads": threads} | times | tail


def growing() -> Iterator[tuple[str, int, float]]:
    """Yield the name, the threads and the time of benchmarks that grow with their argument."""
    for name in ("drain_by_slots", "idle_drain_by_slots"):
        yield from ((f"{name}/{n}", 1, float(n)) for n in (1, 4, 16, 64, 256, 1024))
    for name in ("drain_by_series", "record_by_series"):
        yield from ((f"{name}/{n}", 1, float(n)) for n in (1, 10, 100, 1_000, 10_000))
    yield from ((f"drain_by_requests/{n}", 1, float(n)) for n in (0, *(10**power for power in range(7))))
    for name in ("record_by_threads", "locked_by_threads"):
        yield from ((name, n, float(n)) for n in (1, 2, 4, 8, 16, 32, 64))


def results() -> dict[str, object]:
    figures = [(name, 1, ns) for name, ns in ONE_THREAD.items()] + [(name, 2, ns) for name, ns in TWO_THREADS.items()]
    benchmarks = [run(*figure, index) for index in range(3) for figure in [*figures, *growing()]]
    aggregate = run("record", 1, 1e6, 1) | {"run_type": "aggregate"}
    context = {"date": "today", "load_avg": [0.5, 0.5, 0.5], "compiler": "g++ 12", "barrier": "membarrier"}
    return {"context": context, "benchmarks": [*benchmarks, aggregate]}


def binary(folder: Path, gives: dict[str, object], status: int = 0) -> Path:
    """Write a program that accepts the options of a benchmark binary."""
    path = folder / "benchmarks"
    path.write_text(
        f"#!{sys.executable}\n"
        "import sys\n"
        "out = next(a.split('=')[1] for a in sys.argv if a.startswith('--benchmark_out='))\n"
        f"open(out, 'w').write({json.dumps(gives)!r})\n"
        f"sys.exit('out of order' if {status} else 0)\n"
    )
    path.chmod(0o755)
    return path


def report(program: Path, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, REPORT, "--binary", program, "--out", out, "--rounds", "0", "--compiles", "0", "--no-plots", *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "made" / "report.json"


def test_the_report_has_its_form_and_its_medians(tmp_path: Path, out: Path) -> None:
    assert report(binary(tmp_path, results()), out).returncode == 0
    written = json.loads(out.read_text())
    assert set(written) == {"machine", "rows", "ratios"}
    assert {"cpu", "cores", "kernel", "compiler"} <= set(written["machine"])
    assert all(set(row) == {"name", "value", "unit"} for row in written["rows"])
    values = {row["name"]: row["value"] for row in written["rows"]}
    assert values["record_1t"] == 20.0
    assert values["record_2t"] == 11.0
    assert values["record_2t_cpu"] == 22.0
    assert written["ratios"] == {
        "record_over_floor_1t": pytest.approx(1.25),
        "small_record_over_floor_1t": pytest.approx(2.0),
        "small_record_over_record_1t": pytest.approx(0.4),
        "small_series_over_small_record_1t": pytest.approx(1.25),
        "prometheus_cpp_over_small_record_1t": pytest.approx(4.0),
        "locked_over_record_1t": pytest.approx(4.5),
        "locked_over_record_2t": pytest.approx(10.0),
        "locked_seconds_over_record_1t": pytest.approx(6.0),
        "locked_seconds_over_record_2t": pytest.approx(150 / 11),
        "lock_by_slot_over_record_1t": pytest.approx(1.5),
        "lock_by_slot_over_record_2t": pytest.approx(16 / 11),
        "atomics_over_record_1t": pytest.approx(3.0),
        "atomics_over_record_2t": pytest.approx(280 / 11),
        "prometheus_cpp_over_record_1t": pytest.approx(12.0),
        "prometheus_cpp_over_record_2t": pytest.approx(900 / 11),
        "record_2t_over_1t": pytest.approx(1.1),
        "record_2t_growth_over_floor": pytest.approx(1.1 / 1.125),
        "shared_2t_over_1t": pytest.approx(1.2),
        "small_shared_2t_over_1t": pytest.approx(1.5),
        "floor_2t_over_1t": pytest.approx(1.125),
        "record_p9999_locked_over_ours": pytest.approx(8.0),
        "drain_64_over_memcpy": pytest.approx(5.0),
        "scrape_64_processes_of_25": pytest.approx(2.0),
    }
    assert values["scrape_64_processes_of_25"] == 2_000_000.0
    assert values["drain_by_slots_16"] == 16.0
    assert values["drain_by_requests_100000"] == 100_000.0
    assert values["record_by_threads_8"] == 64.0


def test_a_figure_is_not_taken_for_that_of_a_longer_name(tmp_path: Path, out: Path) -> None:
    """drain_by_slots/1 is neither drain_by_slots/16 nor idle_drain_by_slots/1."""
    assert report(binary(tmp_path, results()), out).returncode == 0
    values = {row["name"]: row["value"] for row in json.loads(out.read_text())["rows"]}
    assert values["drain_by_slots_1"] == 1.0
    assert values["idle_drain_by_slots_1024"] == 1024.0


def taken_by_turns(gives: dict[str, object], fewest: int) -> dict[str, object]:
    """Return the same results, except that two threads had one processor from a repetition on: half the speed, no contention."""
    seen: Counter[str] = Counter()
    for repetition in gives["benchmarks"]:
        if repetition["threads"] == 2 and repetition["run_name"].startswith("locked/"):
            seen["locked"] += 1
            if seen["locked"] > fewest:
                repetition |= {"real_time": 90.0, "cpu_time": 90.0}
    return gives


def test_repetitions_in_which_two_threads_took_turns_do_not_count(tmp_path: Path, out: Path) -> None:
    done = report(binary(tmp_path, taken_by_turns(results(), 2)), out)
    assert json.loads(out.read_text())["ratios"]["locked_over_record_2t"] == pytest.approx(10.0)
    assert done.stderr == ""


def test_where_two_threads_always_took_turns_the_report_says_so(tmp_path: Path, out: Path) -> None:
    done = report(binary(tmp_path, taken_by_turns(results(), 0)), out)
    written = json.loads(out.read_text())
    assert "locked_over_record_2t" not in written["ratios"]
    assert "locked_2t" not in {row["name"] for row in written["rows"]}
    assert "locked_2t: the threads never ran at the same time" in done.stderr
    assert re.search(r"^locked_over_record_2t +not measured$", done.stdout, re.MULTILINE)


def test_a_peer_that_is_not_installed_was_not_measured(tmp_path: Path, out: Path) -> None:
    done = report(binary(tmp_path, results()), out)
    assert re.search(r"^otel_cpp_over_small_record_1t +not measured$", done.stdout, re.MULTILINE)


def test_a_peer_that_is_installed_is_compared(tmp_path: Path, out: Path) -> None:
    gives = results()
    gives["benchmarks"] += [run("small_otel_cpp", 1, 80.0, index) for index in range(3)]
    assert report(binary(tmp_path, gives), out).returncode == 0
    assert json.loads(out.read_text())["ratios"]["otel_cpp_over_small_record_1t"] == pytest.approx(8.0)


def test_what_grows_can_be_left_out(tmp_path: Path, out: Path) -> None:
    assert report(binary(tmp_path, results()), out, "--no-growth").returncode == 0
    assert not any("_by_slots" in row["name"] for row in json.loads(out.read_text())["rows"])


def test_each_aim_is_shown_with_whether_it_is_reached(tmp_path: Path, out: Path) -> None:
    lines = report(binary(tmp_path, results()), out).stdout.splitlines()
    shown = {words[0]: words[2:] for line in lines if len(words := line.split()) >= 5}
    assert shown["record_over_floor_1t"] == ["<=", "1.15", "missed"]
    assert shown["locked_over_record_2t"] == [">=", "15", "missed"]
    assert shown["drain_64_over_memcpy"] == ["<=", "2", "missed"]


def test_without_a_binary_one_line_says_what_to_do(tmp_path: Path, out: Path) -> None:
    done = report(tmp_path / "nothing", out)
    assert done.returncode == 1
    assert done.stderr == f"report: {tmp_path / 'nothing'} is missing; `make bench` builds it\n"
    assert not out.exists()


def test_a_benchmark_that_fails_is_an_error(tmp_path: Path, out: Path) -> None:
    done = report(binary(tmp_path, results(), status=1), out)
    assert done.returncode == 1
    assert done.stderr.endswith("failed: out of order\n")


def test_a_benchmark_that_is_missing_is_an_error(tmp_path: Path, out: Path) -> None:
    without = results()
    without["benchmarks"] = [repetition for repetition in without["benchmarks"] if not repetition["run_name"].startswith("floor")]
    done = report(binary(tmp_path, without), out)
    assert done.returncode == 1
    assert done.stderr == "report: there is no benchmark `floor` with 1 threads\n"


def test_a_benchmark_that_gave_up_is_an_error(tmp_path: Path, out: Path) -> None:
    broken = results()
    broken["benchmarks"][0] |= {"error_occurred": True, "error_message": "no barrier"}
    done = report(binary(tmp_path, broken), out)
    assert done.returncode == 1
    assert done.stderr == "report: record: no barrier\n"


def test_rows_of_servers_are_medians_and_their_ratios_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPORT.parent))
    module = importlib.import_module("report")
    of_servers = {row.name: [1.0, 9.0, 2.0] for row in module.SERVER_ROWS}
    of_servers |= {"embedded_rps": [5.0, 6.0, 4.0], "static_system_calls": [8.0], "daemon_system_calls": [20.0]}
    document = module.make_report(results()["context"], of_servers)
    values = {row["name"]: row["value"] for row in document["rows"]}
    assert values["embedded_rps"] == 5.0
    assert values["reference_embedded_rps"] == 2.0
    assert document["ratios"]["embedded_rps_over_reference"] == 2.5
    assert document["ratios"]["request_metrics_over_reference"] == 1.0
    assert document["ratios"]["daemon_syscalls_per_request"] == 12.0
    assert set(of_servers) == set(values)


def test_a_ratio_over_that_of_the_floor_needs_all_four_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPORT.parent))
    rows = importlib.import_module("rows")
    growth = next(ratio for ratio in rows.CORE_RATIOS if ratio.floor)
    medians = dict(zip(growth.rows, (6.0, 2.0, 4.0, 2.0), strict=True))
    assert growth.value(medians) == 1.5
    assert growth.value({name: medians[name] for name in growth.rows[:3]}) is None


def test_every_ratio_is_of_rows_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPORT.parent))
    rows = importlib.import_module("rows")
    names = {row.name for row in [*rows.CORE_ROWS, *rows.COMPILE_ROWS, *rows.SERVER_ROWS, *rows.GROWTH_ROWS]}
    assert {name for ratio in rows.RATIOS for name in ratio.rows} <= names


def test_every_row_of_servers_is_measured_by_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPORT.parent))
    rows, servers = importlib.import_module("rows"), importlib.import_module("servers")
    loads = {load.row for load in servers.LOADS}
    calls = {f"{server}{call}{busy}" for server in ("", "reference_") for call in rows.CALLS for busy in ("", "_busy")}
    traced = {f"{what}_system_calls" for what in servers.TRACED}
    assert {row.name for row in rows.SERVER_ROWS} == loads | calls | traced


def test_every_row_of_compilers_is_measured_beside_what_is_included(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(REPORT.parent))
    rows, compile_cost = importlib.import_module("rows"), importlib.import_module("compile_cost")
    measured = compile_cost.measure(1)
    assert set(measured) == {row.name for row in rows.COMPILE_ROWS}
    assert all(value > 0 for values in measured.values() for value in values)
    source = tmp_path / "recording.cpp"
    source.write_text(compile_cost.RECORDING)
    headers = compile_cost.standard_headers("g++", source).splitlines()
    assert {"#include <atomic>", "#include <span>"} <= set(headers)
    assert not any("sluice" in header or "absl" in header for header in headers)


def test_a_compiler_that_fails_is_an_error_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(REPORT.parent))
    compile_cost = importlib.import_module("compile_cost")
    source = tmp_path / "wrong.cpp"
    source.write_text("int;;) main\n")
    with pytest.raises(compile_cost.CompileError, match=r"^g\+\+ failed: \S*wrong.cpp"):
        compile_cost.cpu_ms("g++", source)


def test_help_names_the_options() -> None:
    done = subprocess.run([sys.executable, REPORT, "--help"], capture_output=True, text=True, timeout=60, check=True)
    assert "--repetitions" in done.stdout
