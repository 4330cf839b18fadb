# SPDX-License-Identifier: Apache-2.0
"""The endpoint and the pushers, as an installed component, with a real Prometheus, the real StatsD daemon, and the published
definitions of OTLP."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from apache.client import HOST, fetch
from apache.process import free_port, wait_until
from apache.prometheus import Prometheus
from encoders.test_statsd import Statsd, statsd
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from .conftest import ROOT, run

SOURCE = ROOT / "examples/endpoint/server.cpp"
HEADERS = sorted((ROOT / "adapters/endpoint/include/sluice").glob("*.hpp"))
STRICT = ["-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]
GOOD, BAD = 300, 40


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory, installed: Path) -> Path:
    folder = tmp_path_factory.mktemp("endpoint")
    run("cmake", "-G", "Ninja", "-S", SOURCE.parent, "-B", folder, f"-DCMAKE_PREFIX_PATH={installed}")
    run("cmake", "--build", folder)
    return folder / "server"


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        ("REQUIRED OPTIONAL_COMPONENTS endpoint", "package 1, endpoint FALSE"),
        ("QUIET COMPONENTS endpoint", "package 0, endpoint FALSE: The component endpoint of sluice needs pkg-config, libmicrohttpd"),
    ],
)
@pytest.mark.parametrize("missing", ["libcurl", "libmicrohttpd", "pkg-config"])
def test_a_library_that_is_missing_makes_the_component_not_found(
    tmp_path: Path, installed: Path, missing: str, ask: str, told: str
) -> None:
    project = 'message(STATUS "package ${sluice_FOUND}, endpoint ${sluice_endpoint_FOUND}: ${sluice_NOT_FOUND_MESSAGE}")\n'
    begin = f"cmake_minimum_required(VERSION 3.25)\nproject(some CXX)\nfind_package(sluice {ask})\n"
    (tmp_path / "CMakeLists.txt").write_text(begin + project)
    options = {
        "libcurl": ["-DCMAKE_DISABLE_FIND_PACKAGE_CURL=ON"],
        "libmicrohttpd": [],
        "pkg-config": ["-DCMAKE_DISABLE_FIND_PACKAGE_PkgConfig=ON"],
    }[missing]
    environment = ["PKG_CONFIG_LIBDIR=/nowhere"] if missing == "libmicrohttpd" else []
    command = ["cmake", "-G", "Ninja", "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={installed}", *options]
    assert told in " ".join(run("cmake", "-E", "env", *environment, *command).split())


class Collector(ThreadingHTTPServer):
    """Refuses for a while, as a receiver does that is overloaded."""

    def __init__(self, refusals: int) -> None:
        self.requests: list[ExportMetricsServiceRequest] = []
        self.refusals = refusals
        super().__init__((HOST, 0), Handler)

    def total(self, name: str) -> int:
        """The sum of the deltas of a metric."""
        return sum(
            point.as_int
            for request in self.requests
            for resource in request.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.sum.data_points
        )


class Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.headers["Content-Type"] == "application/x-protobuf"
        if self.server.refusals > 0:
            self.server.refusals -= 1
            self.send_response(503)
        else:
            request = ExportMetricsServiceRequest()
            assert request.ParseFromString(body) == len(body)
            self.server.requests.append(request)
            self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def collecting(refusals: int = 0) -> Iterator[Collector]:
    collector = Collector(refusals)
    thread = threading.Thread(target=collector.serve_forever)
    thread.start()
    try:
        yield collector
    finally:
        collector.shutdown()
        thread.join()
        collector.server_close()


@contextmanager
def running(program: Path, collector: Collector, daemon: Statsd) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    port = free_port()
    url = f"http://{HOST}:{collector.server_address[1]}/v1/metrics"
    server = subprocess.Popen([program, str(port), url, str(daemon.port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield port, server
    finally:
        server.kill()
        server.wait(30)


def say(server: subprocess.Popen[str], line: str) -> None:
    assert server.stdin and server.stdout
    server.stdin.write(line + "\n")
    server.stdin.flush()
    assert server.stdout.readline() == f"read {line}\n"


def test_each_receiver_gets_what_was_counted(program: Path, tmp_path: Path) -> None:
    with collecting() as collector, statsd(tmp_path) as daemon, running(program, collector, daemon) as (port, server):
        for number in range(GOOD + BAD):
            say(server, "bad" if number % 8 == 0 and number // 8 < BAD else "good")
        text = f"scrape_configs:\n- job_name: lines\n  scrape_interval: 1s\n  static_configs: [{{targets: ['{HOST}:{port}']}}]\n"
        (tmp_path / "prometheus").mkdir()
        with Prometheus(tmp_path / "prometheus", text) as prometheus:
            query = "sum by (status_class) (http_server_requests_total)"
            wait_until(lambda: len(prometheus.query(query)) > 0, "a scrape")
            stored = {series["metric"]["status_class"]: int(series["value"][1]) for series in prometheus.query(query)}
            assert stored["2xx"] == GOOD and stored["4xx"] == BAD
        assert server.stdin
        server.stdin.close()
        assert server.wait(60) == 0
        assert collector.total("http.server.requests") == GOOD + BAD
        assert collector.total("http.server.request.body") == GOOD * len("good") + BAD * len("bad")
        (attribute,) = collector.requests[0].resource_metrics[0].resource.attributes
        assert (attribute.key, attribute.value.string_value) == ("service.name", "lines")
        wait_until(lambda: daemon.ask("counters").get("http.server.requests.2xx") == GOOD, "the packets")
        counters = daemon.ask("counters")
        assert counters["http.server.requests.4xx"] == BAD and counters["statsd.bad_lines_seen"] == 0


def test_an_address_in_use_is_told(program: Path, tmp_path: Path) -> None:
    with collecting() as collector:
        port = collector.server_address[1]
        done = subprocess.run([program, str(port), "http://127.0.0.1:1/", "1"], capture_output=True, text=True, check=False)
        assert done.returncode == 1 and done.stderr == f"server: {HOST} port {port} is in use\n"


def test_pkg_config(tmp_path: Path, installed: Path) -> None:
    (folder,) = {path.parent for path in installed.rglob("sluice-endpoint.pc")}
    environment = {**os.environ, "PKG_CONFIG_PATH": str(folder)}
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "sluice-endpoint"], env=environment, capture_output=True,
                           text=True, check=True).stdout
    run("g++", "-std=c++20", SOURCE, "-o", tmp_path / "server", *shlex.split(flags))
    assert subprocess.run([tmp_path / "server"], check=False).returncode == 1


def test_a_consumer_of_the_core_needs_none_of_its_libraries(tmp_path: Path, installed: Path) -> None:
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.25)\nproject(consumer CXX)\nset(CMAKE_DISABLE_FIND_PACKAGE_CURL ON)\n"
        "set(CMAKE_DISABLE_FIND_PACKAGE_PkgConfig ON)\nfind_package(sluice 0.1 REQUIRED)\n"
        "if(TARGET sluice::endpoint)\n  message(FATAL_ERROR endpoint)\nendif()\n"
    )
    run("cmake", "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={installed}")


def test_an_installation_without_the_component_is_told(tmp_path: Path, installed: Path) -> None:
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.25)\nproject(consumer CXX)\nfind_package(sluice 0.1 REQUIRED COMPONENTS endpoint)\n"
    )
    shutil.copytree(installed, tmp_path / "without")
    for file in (tmp_path / "without").rglob("sluice-endpoint.cmake"):
        file.unlink()
    with pytest.raises(AssertionError, match=r"has no component\s+endpoint"):
        run("cmake", "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={tmp_path / 'without'}")


@pytest.mark.slow
def test_inside_another_project_the_target_is_there_when_asked_for(tmp_path: Path) -> None:
    (tmp_path / "CMakeLists.txt").write_text(
        f"cmake_minimum_required(VERSION 3.25)\nproject(parent CXX)\nset(SLUICE_BUILD_ENDPOINT ON)\n"
        f"add_subdirectory({ROOT} sluice)\nadd_executable(server {SOURCE})\n"
        "target_link_libraries(server PRIVATE sluice::endpoint)\n"
    )
    run("cmake", "-G", "Ninja", "-S", tmp_path, "-B", tmp_path / "build")
    run("cmake", "--build", tmp_path / "build", "-j", 2)


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_every_header_compiles_alone(compiler: str, tmp_path: Path) -> None:
    """Without the headers of the libraries behind them."""
    sources = []
    for header in HEADERS:
        source = tmp_path / f"{header.stem}.cpp"
        source.write_text(f'#include "sluice/{header.name}"\n#ifdef MHD_VERSION\n#error\n#endif\n#ifdef LIBCURL_VERSION\n#error\n#endif\n')
        sources.append(source)
    run(compiler, *STRICT, "-I", ROOT / "core/include", "-I", HEADERS[0].parents[1], *sources)


def test_the_endpoint_answers_while_the_program_waits(program: Path, tmp_path: Path) -> None:
    with collecting() as collector, statsd(tmp_path) as daemon, running(program, collector, daemon) as (port, server):
        say(server, "good")
        assert 'http_server_requests_total{status_class="2xx"} 1\n' in fetch(port, "/metrics").body.decode()
