# SPDX-License-Identifier: Apache-2.0
"""A real InfluxDB stores what was recorded."""

from __future__ import annotations

from pathlib import Path

from examples.influxd import Influxd

from .conftest import BOUNDS_US, HOSTILE, Request, at_most, classes, encode


def test_the_database_stores_every_value(tmp_path: Path, requests: list[Request]) -> None:
    with Influxd(tmp_path) as database:
        database.create("plain")
        assert database.write("plain", encode("influx", requests).decode()) == 204
        (counts,) = database.series("plain", "http_server")
        for name, count in classes(requests).items():
            assert counts.points[0][f"requests_{name}"] == count
        assert counts.points[0]["input"] == sum(request["input_bytes"] for request in requests)
        (phase,) = (entry for entry in database.series("plain", "http_server_phase") if entry.tags["phase"] == "request")
        point = phase.points[0]
        assert point["count"] == point["+Inf"] == len(requests)
        assert point["sum"] == sum(request["request"] for request in requests) / 1e6
        assert point["min"] == min(request["request"] for request in requests) / 1e6
        assert point["max"] == max(request["request"] for request in requests) / 1e6
        for bound in BOUNDS_US:
            assert point[repr((bound - 1) / 1e6)] == at_most(requests, "request", bound - 1)

        database.create("hostile")
        assert database.write("hostile", encode("influx", [], labels=HOSTILE).decode()) == 204
        assert database.write("hostile", encode("influx", requests, labels=HOSTILE).decode()) == 204
        series = database.series("hostile", "http_server")
        assert [entry.tags for entry in series] == [
            {"quoted": 'a"b/c', "lines": "a b  c", "spaced name": "d e,f=g", "broken": "\ufffd\ufffd", "text": "ünï",
             "comma": "x,y|z#@:;"}
        ]
        types = database.field_types("hostile", "http_server_phase")
        assert types["count"] == "integer" and types["sum"] == types["max"] == "float"
