# SPDX-License-Identifier: Apache-2.0
"""docs/fleet.md: what a host costs is what Prometheus counts, and its configurations are taken."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from apache.config import PROJECT
from apache.process import wait_until
from apache.prometheus import Prometheus

from .endpoint import DAEMON, EMBEDDED, serving
from .prometheus import EXAMPLE, as_in_the_example

DOCUMENT = (PROJECT / "docs/fleet.md").read_text()
ROWS = {
    EMBEDDED: "a group of Apache's own processes",
    DAEMON: "a group of daemon processes",
    "": "totals of the server",
}
HOST = "such a host"
SECONDS_OF_A_DAY = 86_400


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """One that scrapes the same host twice: with all there is, and with what the fleet's job keeps."""
    with serving() as port, as_in_the_example(tmp_path_factory.mktemp("fleet"), port, [port]) as server:
        wait_until(lambda: len(server.query("scrape_samples_scraped > 0")) == 2, "a scrape of each job")
        yield server


def row(name: str) -> list[int]:
    """The numbers of a row of the document."""
    (cells,) = re.findall(rf"^\| {re.escape(name)} \|(.*)\|$", DOCUMENT, re.MULTILINE)
    return [int(cell.replace(",", "")) for cell in cells.split("|")]


def test_the_series_of_each_group_are_as_many_as_the_document_says(prometheus: Prometheus) -> None:
    by_group: dict[str, list[int]] = {name: [0, 0] for name in ROWS}
    for column, job in enumerate(("sluice", "sluice-fleet")):
        for result in prometheus.query(f'count by (process_group) ({{__name__=~"sluice_.+", job="{job}"}})'):
            by_group[result["metric"].get("process_group", "")][column] = int(result["value"][1])
    assert by_group == {name: row(words) for name, words in ROWS.items()}
    assert row(HOST) == [sum(counts[column] for counts in by_group.values()) for column in range(2)]


def test_a_scrape_is_what_the_host_of_the_document_gives(prometheus: Prometheus) -> None:
    whole, kept = row(HOST)
    assert [int(value["value"][1]) for value in prometheus.query('scrape_samples_scraped{job="sluice"}')] == [whole]
    after = prometheus.query('scrape_samples_post_metric_relabeling{job="sluice-fleet"}')
    assert [int(value["value"][1]) for value in after] == [kept]


def test_the_table_of_hosts_follows_from_the_series_of_one(prometheus: Prometheus) -> None:
    _, kept = row(HOST)
    cells_of = r"^\| ([\d,]+) hosts? \| ([\d,]+) \| ([\d,]+) \| ([\d.]+) to ([\d.]+) GB \|$"
    rows = re.findall(cells_of, DOCUMENT, re.MULTILINE)
    assert [cells[0] for cells in rows] == ["1", "100", "1,000", "10,000"]
    for hosts, series, rate, least, most in rows:
        expected = int(hosts.replace(",", "")) * kept
        assert int(series.replace(",", "")) == expected
        assert int(rate.replace(",", "")) == round(expected / 15)
        daily = expected / 15 * SECONDS_OF_A_DAY / 1e9
        assert float(least) == pytest.approx(daily, rel=0.05) and float(most) == pytest.approx(2 * daily, rel=0.05)


def test_the_series_without_an_instance_are_as_many_as_the_document_says(prometheus: Prometheus) -> None:
    (said,) = re.findall(r"(\d+) with the\s+two groups above", DOCUMENT)
    recorded = 'count({__name__=~"job_process_group.*", job="sluice-fleet"})'
    wait_until(lambda: prometheus.query(f"{recorded} == {said}"), f"{said} series")
    (by_instance,) = prometheus.query('count({__name__=~"instance_process_group.*", job="sluice-fleet"})')
    assert by_instance["value"][1] == str(4 * 2), "four of each group"


def test_its_configurations_of_prometheus_are_valid(tmp_path: Path) -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    (tmp_path / "rules.yml").write_text((EXAMPLE / "rules.yml").read_text())
    for number, block in enumerate(blocks):
        file = tmp_path / f"{number}.yml"
        file.write_text(block)
        done = subprocess.run(["promtool", "check", "config", file], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
