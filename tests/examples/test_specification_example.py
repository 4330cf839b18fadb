# SPDX-License-Identifier: Apache-2.0
"""The specification's own example, unchanged but for the address of the database."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import pytest
from apache.config import module_under_test
from apache.httpd import Httpd, wait_until

from .conftest import Serve
from .influxd import Influxd

EXAMPLE = Path(__file__).with_name("specification_example")
ADDRESS = "http://influxdb.local:8086/write?db=wsgi"
MEASUREMENT = "request-metrics"
ACTIVATION = "import metrics\nmetrics.enable_reporting()\n"
REQUESTS = 500

CONFIGURATION = [
    f"LoadModule wsgi_module {module_under_test()}",
    "WSGIPythonPath ${APPS}/example",
    "WSGIScriptAlias / ${APPS}/example/wsgi.py application-group=%{GLOBAL}",
]
APART = (
    "WSGIImportScript ${APPS}/example/reporter.py process-group=%{GLOBAL} application-group=metrics"
)


@pytest.fixture
def database(shared_influxd: Influxd) -> str:
    name = f"wsgi_{uuid4().hex}"
    shared_influxd.create(name)
    return name


def test_it_reports_every_request_up_to_the_flush_at_shutdown(
    serve: Serve, shared_influxd: Influxd, database: str
) -> None:
    server = serve(files(shared_influxd, database), CONFIGURATION, load_wsgi=False)
    send(server, 1)
    await_points(shared_influxd, database, 1)
    send(server, REQUESTS - 1)
    server.stop()
    assert sum(windows(shared_influxd, database)) == REQUESTS
    assert "Traceback" not in server.error_log()


def test_its_reporter_works_from_an_application_group_of_its_own(
    serve: Serve, shared_influxd: Influxd, database: str
) -> None:
    apart = files(shared_influxd, database)
    assert apart["wsgi.py"].startswith(ACTIVATION)
    apart["wsgi.py"] = apart["wsgi.py"].removeprefix(ACTIVATION)
    server = serve(apart, [*CONFIGURATION, APART], load_wsgi=False)
    await_points(shared_influxd, database, 1)
    send(server, REQUESTS)
    server.stop()
    assert sum(windows(shared_influxd, database)) == REQUESTS
    assert "Traceback" not in server.error_log()


def test_its_guard_holds_when_the_application_file_is_touched(
    serve: Serve, shared_influxd: Influxd, database: str
) -> None:
    server = serve(files(shared_influxd, database), CONFIGURATION, load_wsgi=False)
    send(server, 1)
    await_points(shared_influxd, database, 1)
    file = server.apps / "example/wsgi.py"
    file.write_text(file.read_text().replace("Hello World!", "Hello again!"), encoding="utf-8")
    send(server, 50)
    assert server.get("/").text == "Hello again!"
    server.stop()
    assert sum(windows(shared_influxd, database)) == 52
    assert "Traceback" not in server.error_log()


def files(database: Influxd, name: str) -> dict[str, str]:
    """The example, told where the database is."""
    texts = {path.name: path.read_text(encoding="utf-8") for path in EXAMPLE.glob("*.py")}
    assert texts["metrics.py"].count(ADDRESS) == 1
    texts["metrics.py"] = texts["metrics.py"].replace(ADDRESS, database.write_url(name))
    return texts


def send(server: Httpd, count: int) -> None:
    assert [server.get("/").status for _ in range(count)] == [200] * count


def await_points(database: Influxd, name: str, count: int) -> None:
    wait_until(lambda: len(points(database, name)) >= count, f"{count} points")


def points(database: Influxd, name: str) -> list[dict[str, float]]:
    series = database.series(name, MEASUREMENT)
    assert len(series) <= 1, "one process, one series"
    return series[0].points if series else []


def windows(database: Influxd, name: str) -> list[int]:
    """Requests in each window, which is as long as the time since the point before it.

    How long the first one was the example does not tell, so tests let it hold one request at most.
    """
    first, *others = points(database, name)
    counts = [1 if first["request_throughput"] > 0 else 0]
    for before, point in pairwise([first, *others]):
        counts.append(round(point["request_throughput"] * (point["time"] - before["time"]) / 1e9))
    return counts
