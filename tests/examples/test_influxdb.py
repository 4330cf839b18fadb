# SPDX-License-Identifier: Apache-2.0
"""examples/influxdb against a real InfluxDB: the points add up to the requests that were sent."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from apache.config import PROJECT, module_under_test
from apache.httpd import Httpd, wait_until

from .conftest import Serve
from .influxd import Influxd

EXAMPLE = PROJECT / "examples/influxdb"
MEASUREMENT = "request_metrics"
ACTIVATION = "import metrics\n\nmetrics.enable_reporting()\n"


@pytest.fixture
def database(shared_influxd: Influxd, monkeypatch: pytest.MonkeyPatch) -> str:
    """A fresh database, to which reporters started from now on write."""
    name = f"wsgi_{uuid4().hex}"
    shared_influxd.create(name)
    report_to(shared_influxd, name, monkeypatch)
    return name


def test_the_points_of_all_processes_add_up_to_the_requests_sent(
    mpm: str, serve: Serve, shared_influxd: Influxd, database: str
) -> None:
    server = serve(example_files(), configuration(), mpm=mpm, processes=2, load_wsgi=False)
    send(server, 500)
    server.terminate()
    assert counted(shared_influxd, database) == 500


def test_what_the_first_interval_served_is_flushed_at_shutdown(
    serve: Serve, shared_influxd: Influxd, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METRICS_INTERVAL", "3600")
    server = serve(example_files(), configuration(), load_wsgi=False)
    send(server, 50)
    assert shared_influxd.series(database, MEASUREMENT) == []
    server.stop()
    (series,) = shared_influxd.series(database, MEASUREMENT)
    assert [point["request_count"] for point in series.points] == [50]


def test_each_field_has_the_type_the_example_gives_it_and_daemon_phases_are_left_out(
    serve: Serve, shared_influxd: Influxd, database: str
) -> None:
    server = serve(example_files(), configuration(), load_wsgi=False)
    send(server, 10)
    server.stop()
    types = shared_influxd.field_types(database, MEASUREMENT)
    floats = ("sample_period", "request_throughput", "capacity_utilization", "request_time")
    integers = ("request_count", "requests_in_flight", "status_2xx", "memory_rss")
    assert {name: types[name] for name in floats} == dict.fromkeys(floats, "float")
    assert {name: types[name] for name in integers} == dict.fromkeys(integers, "integer")
    assert "queue_time" not in types and "daemon_time" not in types


def test_a_reporter_in_its_own_application_group_sees_every_request(
    serve: Serve, shared_influxd: Influxd, database: str
) -> None:
    server = serve(files_apart(), configuration(apart=True), load_wsgi=False)
    wait_until(lambda: bool(shared_influxd.series(database, MEASUREMENT)), "a first point")
    assert counted(shared_influxd, database) == 0
    send(server, 500)
    server.stop()
    assert counted(shared_influxd, database) == 500


def test_a_changed_application_file_does_not_start_a_second_reporter(
    serve: Serve, shared_influxd: Influxd, database: str
) -> None:
    server = serve(example_files(), configuration(), load_wsgi=False)
    send(server, 100)
    change(server)
    sent = 100 + requests_until_changed(server)
    send(server, 100)
    server.stop()
    assert len(shared_influxd.series(database, MEASUREMENT)) == 1
    assert counted(shared_influxd, database) == sent + 100
    assert "Traceback" not in server.error_log()


def test_while_influxdb_is_down_requests_are_served_and_nothing_is_lost(
    serve: Serve, own_influxd: Influxd, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_influxd.create("wsgi")
    report_to(own_influxd, "wsgi", monkeypatch)
    server = serve(example_files(), configuration(), load_wsgi=False)
    send(server, 100)
    wait_until(lambda: counted(own_influxd, "wsgi") == 100, "the points of 100 requests")

    own_influxd.stop()
    send(server, 200)
    server.wait_for_log("InfluxDB is not reached")
    send(server, 100)

    own_influxd.start()
    server.wait_for_log("InfluxDB takes lines again")
    wait_until(lambda: counted(own_influxd, "wsgi") == 400, "the points kept meanwhile")
    send(server, 100)
    server.stop()
    assert counted(own_influxd, "wsgi") == 500


def test_an_influxdb_that_never_comes_harms_neither_requests_nor_shutdown(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFLUXDB_WRITE_URL", "http://127.0.0.1:9/write?db=wsgi")
    monkeypatch.setenv("METRICS_INTERVAL", "0.2")
    server = serve(example_files(), configuration(), load_wsgi=False)
    send(server, 100)
    server.wait_for_log("InfluxDB is not reached")
    server.stop()
    assert len(server.log_lines("InfluxDB is not reached")) == 1


def report_to(database: Influxd, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFLUXDB_WRITE_URL", database.write_url(name))
    monkeypatch.setenv("METRICS_INTERVAL", "0.2")


def example_files() -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in EXAMPLE.glob("*.py")}


def files_apart() -> dict[str, str]:
    """The example for a reporter apart from the application, made as its configuration says."""
    files = example_files()
    assert files["wsgi.py"].count(ACTIVATION) == 1
    return {**files, "wsgi.py": files["wsgi.py"].replace(ACTIVATION, "")}


def configuration(*, apart: bool = False) -> list[str]:
    """examples/influxdb/apache.conf, with this machine's places in it."""
    text = (EXAMPLE / "apache.conf").read_text(encoding="utf-8")
    places = {
        "/usr/lib/apache2/modules/mod_sluice.so": str(module_under_test()),
        "/srv/hello": "${APPS}/example",
    }
    if apart:
        places["#WSGIImportScript"] = "WSGIImportScript"
    for there, here in places.items():
        assert there in text
        text = text.replace(there, here)
    return text.splitlines()


def send(server: Httpd, count: int) -> None:
    """Sends `count` requests, four at a time; every one of them must be served."""
    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(lambda number: server.get(f"/{number}").status, range(count)))
    assert statuses == [200] * count


def counted(database: Influxd, name: str) -> int:
    """The sum over the points of all processes of throughput times period. A point that is being written may be seen
    without its values.
    """
    return sum(
        round(point["request_throughput"] * point["sample_period"])
        for series in database.series(name, MEASUREMENT)
        for point in series.points
        if point["request_throughput"] is not None and point["sample_period"] is not None
    )


def change(server: Httpd) -> None:
    file = server.apps / "example/wsgi.py"
    file.write_text(file.read_text().replace("You asked", "They asked"), encoding="utf-8")


def requests_until_changed(server: Httpd) -> int:
    sent = 0

    def changed() -> bool:
        nonlocal sent
        sent += 1
        return server.get("/").text.startswith("They asked")

    wait_until(changed, "the changed application file")
    return sent
