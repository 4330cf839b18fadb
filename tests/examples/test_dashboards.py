# SPDX-License-Identifier: Apache-2.0
"""examples/grafana: the dashboards are well formed, and a real Prometheus answers each of their questions.

Grafana itself is in no Debian package and is not run here. What it publishes is a package of its types, which know every
field that the dashboards have.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest
from apache.config import PROJECT
from apache.process import wait_until
from apache.prometheus import Prometheus
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from .endpoint import EMBEDDED, serving
from .prometheus import as_in_the_example

DASHBOARDS = sorted((PROJECT / "examples/grafana").glob("*.json"))
PANELS = {"row", "stat", "timeseries", "heatmap", "bargauge"}
COLUMNS = 24
OF_GRAFANA = {"__rate_interval"}
VARIABLE = re.compile(r"\$(?:\{(\w+)[^}]*\}|(\w+))")
JOBS = ["sluice", "sluice-fleet"]
VALUES = {"job": "|".join(JOBS), "instance": ".*", "group": "%\\\\{GLOBAL\\\\}|shop", "__rate_interval": "10s"}
NAME = re.compile(r"(?<![\w:])((?:\w+:)?sluice_\w+(?::\w+)?)")
BY = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right) ?\(([^)]*)\)")
MATCHER = re.compile(r"[{,]\s*(\w+)\s*(?:=~|!~|!=|=)\s*\"")

Json = dict[str, Any]


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """One that has scraped three servers for some seconds, and evaluated the rules."""
    root = tmp_path_factory.mktemp("prometheus")
    with serving() as one, serving() as two, serving() as three:
        with as_in_the_example(root, one, [two, three]) as server:
            last = "job_process_group:sluice_request_duration_seconds:p99_rate5m > 0"
            wait_until(lambda: len(server.query(last)) == 4, "the last of the rules, for two jobs of two groups")
            wait_until(lambda: len(server.query("count_over_time(up[1m]) > 5")) == 3, "some scrapes of each")
            yield server


@pytest.fixture(params=DASHBOARDS, ids=lambda path: path.stem)
def dashboard(request: pytest.FixtureRequest) -> Json:
    return dict(json.loads(request.param.read_text()))


def test_there_is_one_for_servers_and_one_for_a_fleet() -> None:
    assert [path.stem for path in DASHBOARDS] == ["fleet", "server"]
    loaded = [json.loads(path.read_text()) for path in DASHBOARDS]
    assert len({board["uid"] for board in loaded}) == len({board["title"] for board in loaded}) == 2


def test_it_is_a_classic_dashboard_that_belongs_to_nobody(dashboard: Json) -> None:
    assert "id" not in dashboard and dashboard["schemaVersion"] >= 36
    assert re.fullmatch(r"[a-z-]{1,40}", dashboard["uid"])
    assert {panel["type"] for panel in dashboard["panels"]} <= PANELS
    identifiers = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(identifiers)) == len(identifiers) > 10
    for panel in dashboard["panels"]:
        assert panel["title"]
        assert panel["type"] == "row" or panel["targets"]


def test_the_types_of_grafana_know_every_field(dashboard: Json) -> None:
    register_default_plugins()
    encoded = json.loads(JSONEncoder().encode(Dashboard.from_json(dashboard)))
    assert list(lost(dashboard, encoded, "")) == []


def test_panels_fill_the_grid_and_do_not_overlap(dashboard: Json) -> None:
    placed = [(panel["title"], panel["gridPos"]) for panel in dashboard["panels"]]
    for title, at in placed:
        assert at["w"] > 0 and at["h"] > 0 and at["x"] >= 0 and at["x"] + at["w"] <= COLUMNS, title
    for (first, a), (second, b) in combinations(placed, 2):
        apart = (
            a["x"] + a["w"] <= b["x"]
            or b["x"] + b["w"] <= a["x"]
            or a["y"] + a["h"] <= b["y"]
            or b["y"] + b["h"] <= a["y"]
        )
        assert apart, (first, second)
    area = sum(at["w"] * at["h"] for _, at in placed)
    assert area == COLUMNS * max(at["y"] + at["h"] for _, at in placed), "there are holes"


def test_every_variable_that_is_used_exists_and_the_other_way_round(dashboard: Json) -> None:
    listed = {variable["name"] for variable in dashboard["templating"]["list"]}
    used = {a or b for text in texts(dashboard) for a, b in VARIABLE.findall(text)}
    assert used - OF_GRAFANA - {"__all"} == listed
    assert {"datasource", "job", "group"} <= listed


def test_every_question_goes_to_the_data_source_that_was_chosen(dashboard: Json) -> None:
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    asking = [variable for variable in dashboard["templating"]["list"] if variable["type"] == "query"]
    for panel in dashboard["panels"]:
        if panel["type"] != "row":
            asking += [panel, *panel["targets"]]
            references = [target["refId"] for target in panel["targets"]]
            assert len(set(references)) == len(references)
    assert all(item["datasource"] == chosen for item in asking)


@pytest.mark.parametrize("job", JOBS)
def test_every_expression_has_an_answer_with_the_labels_of_its_legend(
    dashboard: Json, prometheus: Prometheus, job: str
) -> None:
    for panel, target in targets(dashboard):
        results = prometheus.query(filled(target["expr"], job=job))
        assert results, (panel["title"], target["expr"])
        assert all(result["value"][1] != "NaN" for result in results), (panel["title"], results)
        for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
            assert all(result["metric"].get(label) for result in results), (panel["title"], label, results)


def test_heatmaps_get_every_bucket(dashboard: Json, prometheus: Prometheus) -> None:
    maps = [(panel, target) for panel, target in targets(dashboard) if panel["type"] == "heatmap"]
    assert maps
    bounds = prometheus.ask("label/le/values")
    for panel, target in maps:
        buckets = {result["metric"]["le"] for result in prometheus.query(filled(target["expr"]))}
        assert target["format"] == "heatmap" and not panel["options"]["calculate"]
        assert buckets == set(bounds)


def test_the_choices_of_variables_are_those_of_the_servers(dashboard: Json, prometheus: Prometheus) -> None:
    expected = {"job": JOBS, "group": [EMBEDDED, "shop"]}
    for variable in dashboard["templating"]["list"]:
        if variable["type"] != "query":
            continue
        match = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
        assert match, variable
        values = prometheus.ask(f"label/{match[2]}/values", **{"match[]": filled(match[1])})
        assert values == expected.get(variable["name"], values) and values


def test_only_families_and_labels_that_exist_are_named(dashboard: Json, prometheus: Prometheus) -> None:
    expressions = [filled(target["expr"]) for _, target in targets(dashboard)]
    assert unknown(expressions, prometheus) == set()


def test_rules_name_only_families_and_labels_that_exist(prometheus: Prometheus) -> None:
    rules = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
    assert len(rules) == 20
    for rule in rules:
        assert rule["health"] == "ok", rule
    assert unknown([rule["query"] for rule in rules], prometheus) == set()


@pytest.mark.parametrize("expression", ["sluice_request_total", 'sluice_processes{group="a"}',
                                        "sum by (process_group, host) (sluice_processes)"])
def test_a_wrong_name_is_noticed(expression: str, prometheus: Prometheus) -> None:
    assert len(unknown([expression], prometheus)) == 1


def unknown(expressions: list[str], prometheus: Prometheus) -> set[str]:
    """The names in the expressions that Prometheus has never heard of."""
    names, labels = set(prometheus.ask("label/__name__/values")), set(prometheus.ask("labels"))
    unknown_names: set[str] = set()
    for expression in expressions:
        listed = [name.strip() for inside in BY.findall(expression) for name in inside.split(",")]
        unknown_names |= {*listed, *MATCHER.findall(expression)} - labels
        unknown_names |= set(NAME.findall(BY.sub("", expression))) - names
    return unknown_names


def targets(dashboard: Json) -> list[tuple[Json, Json]]:
    return [(panel, target) for panel in dashboard["panels"] for target in panel.get("targets", [])]


def filled(expression: str, **chosen: str) -> str:
    """With values for the variables, as Grafana puts them in."""
    return VARIABLE.sub(lambda match: {**VALUES, **chosen}[match[1] or match[2]], expression)


def lost(value: object, kept: object, place: str) -> Iterator[str]:
    """Where something of the first is not in the second, which may have more."""
    if isinstance(value, dict) and isinstance(kept, dict):
        for key, item in value.items():
            yield from lost(item, kept.get(key), f"{place}/{key}")
    elif isinstance(value, list) and isinstance(kept, list) and len(value) == len(kept):
        for number, (item, other) in enumerate(zip(value, kept, strict=True)):
            yield from lost(item, other, f"{place}/{number}")
    elif value != kept:
        yield place


def texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
