# SPDX-License-Identifier: Apache-2.0
"""A private Prometheus with the configuration of examples/prometheus."""

from __future__ import annotations

from pathlib import Path

from apache.client import HOST
from apache.config import PROJECT
from apache.prometheus import Prometheus

EXAMPLE = PROJECT / "examples/prometheus"


def as_in_the_example(root: Path, server: int, fleet: list[int]) -> Prometheus:
    """With examples/prometheus, every second, and the servers of these ports as its targets."""
    (root / "rules.yml").write_text((EXAMPLE / "rules.yml").read_text())
    (root / "targets").mkdir()
    hosts = ", ".join(f'"{HOST}:{port}"' for port in fleet)
    (root / "targets/test.yml").write_text(f"- {{targets: [{hosts}], labels: {{site: here}}}}\n")
    text = (EXAMPLE / "prometheus.yml").read_text()
    places = {
        "localhost:80": f"{HOST}:{server}",
        "scrape_interval: 15s": "scrape_interval: 1s",
        "evaluation_interval: 15s": "evaluation_interval: 1s",
        "scrape_timeout: 5s": "scrape_timeout: 1s",
    }
    for there, here in places.items():
        assert text.count(there) == 1
        text = text.replace(there, here)
    return Prometheus(root, text)
