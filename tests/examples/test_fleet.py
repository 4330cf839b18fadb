# SPDX-License-Identifier: Apache-2.0
"""Two Apaches and one Prometheus: the sum of their histograms is that of all the clients' requests.

A request lasts at least what its application sleeps, and at most what its client waited. The pauses lie well inside of
their buckets, so that both mostly fall into the same one.
"""

from __future__ import annotations

import gzip
import math
import re
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from apache.config import PROJECT
from apache.httpd import Httpd
from apache.process import wait_until
from apache.prometheus import Prometheus
from apache.scale import figure, scaled
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics

from .conftest import Serve
from .endpoint import CONTENT_TYPE, DAEMON, EMBEDDED, exposition
from .prometheus import as_in_the_example

DOCUMENT = (PROJECT / "docs/fleet.md").read_text()
METRICS = (PROJECT / "examples/apache/metrics.conf").read_text()
APPLICATION = """\
import time


def application(environ, start_response):
    time.sleep(float(environ["QUERY_STRING"]))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"Hello World!"]
"""
THREADS = 8
SHOP = [f"WSGIDaemonProcess {DAEMON} threads={THREADS}", f"WSGIProcessGroup {DAEMON}"]
SCALE = scaled(1, 10)
FAST = Counter({0.07: 120 * SCALE, 0.14: 30 * SCALE})
SLOW = Counter({0.07: 30 * SCALE, 0.28: 60 * SCALE, 0.56: 60 * SCALE})
BUCKET = "sluice_request_duration_seconds_bucket"


@dataclass(frozen=True)
class Sent:
    pause: float
    waited: float


def test_histograms_of_two_servers_add_up_to_that_of_all_clients(
    serve: Serve, tmp_path: Path
) -> None:
    fast, slow = start(serve), start(serve, *SHOP)
    places = as_in_the_example(tmp_path, fast.port, [fast.port, slow.port])
    with places as prometheus, ThreadPoolExecutor(2) as both:
        of_each = list(both.map(send, (fast, slow), (FAST, SLOW)))
        sent = [one for of_server in of_each for one in of_server]
        total = 'sum(sluice_request_duration_seconds_count{job="sluice-fleet"})'
        wait_until(lambda: value(prometheus, total) == len(sent), f"{len(sent)} requests in Prometheus")
        counts = buckets(prometheus)
        late = 0
        for bound, count in counts.items():
            least, most = (sum(getattr(one, name) <= bound for one in sent) for name in ("waited", "pause"))
            assert least <= count <= most, bound
            late = max(late, most - least)
        assert late <= len(sent) // 10, "the machine is too busy for this to tell anything"
        assert counts[math.inf] == len(sent)

        for q in (0.45, 0.7, 0.95):
            true = bucket_of(sorted(one.waited for one in sent)[math.ceil(q * len(sent)) - 1], counts)
            summed = value(prometheus, f'histogram_quantile({q}, sum by (le) ({BUCKET}{{job="sluice-fleet"}}))')
            of_hosts = f'histogram_quantile({q}, sum by (instance, le) ({BUCKET}{{job="sluice-fleet"}}))'
            mean = value(prometheus, f"avg({of_hosts})")
            figure(f"quantile {q}", between=true, of_the_sum=summed, mean_of_both=mean)
            assert true[0] <= summed <= true[1]
            if q == 0.45:
                assert not true[0] <= mean <= true[1], "quantiles of hosts do not add up"
        figure("requests", sent=len(sent), late=late, buckets={b: n for b, n in counts.items() if n})


def test_the_made_up_endpoint_has_the_samples_of_a_real_one(serve: Serve) -> None:
    """So that what is tested against it holds of Apache."""
    server = start(serve, *SHOP, "WSGIScriptAlias /here ${APPS}/example/wsgi.py process-group=%{GLOBAL}")
    for path in ("/?0", "/here?0"):
        assert server.get(path).status == 200
    counted = f'sluice_requests_total{{process_group="{EMBEDDED}",status_class="2xx"}} 1\n'
    wait_until(lambda: counted in ask(server), "the request")
    assert samples(ask(server)) == samples(exposition(1))


def test_the_text_is_as_long_as_the_document_says_and_compressed_a_tenth(serve: Serve) -> None:
    server = start(serve, *SHOP)
    send(server, Counter({0.0: 200}))
    plain = server.get("/sluice-metrics", {"Accept": CONTENT_TYPE})
    small = server.get("/sluice-metrics", {"Accept": CONTENT_TYPE, "Accept-Encoding": "gzip"})
    (said,) = re.findall(r"about (\d+) kB of text", DOCUMENT)
    assert len(plain.body) / 1000 == pytest.approx(int(said), rel=0.1)
    assert small.header("Content-Encoding") == "gzip"
    assert len(small.body) < len(plain.body) / 10
    assert len(gzip.decompress(small.body)) == pytest.approx(len(plain.body), rel=0.01)


def start(serve: Serve, *lines: str) -> Httpd:
    files = {"wsgi.py": APPLICATION}
    script = "WSGIScriptAlias / ${APPS}/example/wsgi.py application-group=%{GLOBAL}"
    return serve(files, [*lines, script, *METRICS.splitlines()], threads=THREADS, modules=["authz_host", "deflate"])


def send(server: Httpd, pauses: Counter[float]) -> list[Sent]:
    def one(pause: float) -> Sent:
        begun = time.monotonic()
        assert server.get(f"/?{pause}").status == 200
        return Sent(pause, time.monotonic() - begun)

    with ThreadPoolExecutor(THREADS - 2) as clients:  # a thread is free for a scrape
        return list(clients.map(one, pauses.elements()))


def buckets(prometheus: Prometheus) -> dict[float, int]:
    """The number of requests of both servers that took at most that long."""
    results = prometheus.query(f'sum by (le) ({BUCKET}{{job="sluice-fleet"}})')
    return {float(one["metric"]["le"]): int(one["value"][1]) for one in results}


def bucket_of(duration: float, bounds: Iterable[float]) -> tuple[float, float]:
    ordered = sorted(bounds)
    upper = next(bound for bound in ordered if duration <= bound)
    return max((bound for bound in ordered if bound < upper), default=0.0), upper


def ask(server: Httpd) -> str:
    reply = server.get("/sluice-metrics", {"Accept": CONTENT_TYPE})
    assert (reply.status, reply.header("Content-Type")) == (200, CONTENT_TYPE)
    return reply.text


def samples(text: str) -> set[tuple[str, frozenset[tuple[str, str]]]]:
    return {
        (sample.name, frozenset(sample.labels.items()))
        for family in open_metrics(text)
        for sample in family.samples
    }


def value(prometheus: Prometheus, expression: str) -> float:
    results = prometheus.query(expression)
    return float(results[0]["value"][1]) if results else math.nan
