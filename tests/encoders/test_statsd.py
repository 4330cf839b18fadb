# SPDX-License-Identifier: Apache-2.0
"""The real StatsD daemon counts what was recorded, in both dialects, and no packet is too long."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from apache.httpd import free_port

from .conftest import HOSTILE, ROOT, Request, classes, encode, some_requests

DAEMON = ROOT / "build/node/node_modules/statsd/stats.js"
UTIL_LOG = ROOT / "tests/encoders/util_log.js"


class Statsd:
    def __init__(self, port: int, admin: int) -> None:
        self.port, self._admin = port, admin

    def send(self, packets: list[bytes]) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for packet in packets:
                sender.sendto(packet, ("127.0.0.1", self.port))

    def text(self, what: str) -> str:
        with socket.create_connection(("127.0.0.1", self._admin), timeout=10) as connection:
            connection.sendall(what.encode() + b"\n")
            text = b""
            while b"END" not in text:
                text += connection.recv(65536)
        return text.decode().replace("END", "").strip()

    def ask(self, what: str) -> dict[str, float]:
        """Numbers by name, of an answer in the language of the daemon."""
        pairs = re.findall(r"^  '?([^\n]+?)'?: ([-\d.e+]+),?$", self.text(what), re.MULTILINE)
        return {name: float(value) for name, value in pairs}

    def first_two(self, timer: str) -> list[float]:
        """The first values of the timer, which does not list more than a hundred."""
        match = re.search(rf"'{re.escape(timer)}': \[([^\]]*)", self.text("timers"))
        assert match
        return [float(value) for value in match[1].split(",")[:2]]

    def received(self, packets: int) -> dict:
        """The counters once that many packets have come."""
        deadline = time.monotonic() + 20
        counters: dict = {}
        while counters.get("statsd.packets_received", 0) < packets and time.monotonic() < deadline:
            counters = self.ask("counters")
        assert counters["statsd.packets_received"] == packets
        assert counters["statsd.bad_lines_seen"] == 0
        return counters


@contextmanager
def statsd(root: Path) -> Iterator[Statsd]:
    assert DAEMON.is_file(), f"{DAEMON} is missing: make test installs it"
    port, admin = free_port(), free_port()
    (root / "config.js").write_text(
        f"{{port: {port}, mgmt_port: {admin}, address: '127.0.0.1', mgmt_address: '127.0.0.1',"
        " flushInterval: 3600000, backends: []}"
    )
    with open(root / "log", "wb") as log:
        command = ["node", "--require", UTIL_LOG, DAEMON, root / "config.js"]
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=DAEMON.parent)
    try:
        server = Statsd(port, admin)
        deadline = time.monotonic() + 20
        while True:
            try:
                server.ask("counters")
                break
            except OSError:
                assert time.monotonic() < deadline and process.poll() is None, (root / "log").read_text()
                time.sleep(0.05)
        yield server
    finally:
        process.terminate()
        process.wait(30)


def packets_of(form: str, requests: list[Request], *options: str, **labels: dict[str, str]) -> list[bytes]:
    return encode(form, requests, "-delta", *options, **labels).split(b"\0")[:-1]


@pytest.mark.parametrize("form", ["statsd", "dogstatsd"])
def test_the_daemon_counts_what_was_recorded(form: str, tmp_path: Path) -> None:
    requests = some_requests(3, 2000)
    packets = packets_of(form, requests)
    assert len(packets) > 1 and all(0 < len(packet) <= 1432 for packet in packets)
    if form == "dogstatsd":  # the daemon has no distributions, so they are sent as timers
        packets = [packet.replace(b"|d", b"|ms") for packet in packets]
        packets = [b"\n".join(one_value_each(line) for line in packet.split(b"\n")) for packet in packets]
    with statsd(tmp_path) as server:
        server.send(packets)
        counters = server.received(len(packets))
        key = "http.server.requests.{}" if form == "statsd" else "http.server.requests;status_class={}"
        for name, count in classes(requests).items():
            assert counters.get(key.format(name), 0) == count
        assert counters["http.server.output"] == sum(request["output_bytes"] for request in requests)
        longest = max(request["request"] for request in requests) / 1000
        shortest = min(request["request"] for request in requests) / 1000
        assert server.first_two("http.server.request.duration") == [shortest, longest]
        assert server.ask("gauges")["http.server.active_requests"] == 0


def one_value_each(line: bytes) -> bytes:
    """`name:1:2|ms|@0.5|#tag` in the older form `name:1|ms|@0.5:2|ms|@0.5|#tag`, which the daemon takes."""
    head, *tags = line.split(b"|#", 1)
    values, kind = head.split(b"|", 1)
    name, *numbers = values.split(b":")
    return b"|#".join([name + b"".join(b":" + number + b"|" + kind for number in numbers), *tags])


@pytest.mark.parametrize("form", ["statsd", "dogstatsd"])
def test_the_samples_stand_for_every_request(form: str) -> None:
    requests = some_requests(4, 5000)
    weights: dict[float, float] = {}
    for packet in packets_of(form, requests):
        for line in packet.split(b"\n"):
            head = line.split(b"|#")[0]
            if not head.startswith(b"http.server.request.duration:"):
                continue
            values, _, *rate = head.split(b"|")
            weight = 1 / float(rate[0][1:]) if rate else 1
            for value in values.split(b":")[1:]:
                weights[float(value)] = weights.get(float(value), 0) + weight
    assert sum(weights.values()) == len(requests)
    drawn = sorted(round(value * 1000) for value, count in weights.items() for _ in range(int(count)))
    for sample, real in zip(drawn, sorted(request["request"] for request in requests), strict=True):
        share = 8 if real >= 1000 else 2  # below 1 ms a bucket is an octave
        assert real < 8 or real >= 65_536_000 or abs(sample - real) <= real / share + 1


def test_hostile_tags_stay_tags() -> None:
    for packet in packets_of("dogstatsd", [{"status": 200}], labels=HOSTILE):
        for line in packet.decode().split("\n"):
            head, tags = line.split("|#")
            assert head.count("|") in (1, 2)
            names = [tag.split(":")[0] for tag in tags.split(",")]
            assert names[:3] == ["quoted", "lines", "spaced name"] and "le" not in names
            assert all(tag.count(":") == 1 for tag in tags.split(","))


def test_a_line_that_no_packet_can_take_is_left_out_and_counted() -> None:
    assert packets_of("dogstatsd", [{"status": 200}], labels={"long": "x" * 1500}) == []
    small = packets_of("statsd", [{"status": 200}], "-packet=64")
    assert small and all(len(packet) <= 64 for packet in small)
