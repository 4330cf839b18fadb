# SPDX-License-Identifier: Apache-2.0
"""The same Apache with this module and with the reference in turn: requests a second, and the time of the calls.

The reference is mod_wsgi from PyPI, built into an environment of its own. Both serve the same application under the same
MPM with as many threads; rounds alternate, so that what else the machine does hits both alike.
"""

from __future__ import annotations

import http.client
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import environments
import system_calls
from rows import CALLS

ROOT = Path(__file__).resolve().parent.parent
MODULE = ROOT / "build" / "release" / "modules" / "mod_sluice.so"
REFERENCE = "mod_wsgi==6.1.1"
APACHE_MODULES = Path("/usr/lib/apache2/modules")
THREADS = 8
CONNECTIONS = 8
START_SECONDS = 20.0
BUSY_CALLS = 40
TRACED_REQUESTS = 1000

APPLICATION = '''\
import time

import mod_wsgi

if {recording}:
    mod_wsgi.start_recording_metrics()

MIB = bytes(1 << 20)


def median_us(call, number):
    """Return the median time of `number` calls in microseconds."""
    times = []
    for _ in range(number):
        start = time.perf_counter_ns()
        call()
        times.append(time.perf_counter_ns() - start)
    return sorted(times)[number // 2] / 1000


def application(environ, start_response):
    body = b"Hello World!"
    _, action, *names = environ["PATH_INFO"].split("/") + [""]
    if action in ("call", "calls"):
        body = str(median_us(getattr(mod_wsgi, names[0]), 1 if action == "call" else 200)).encode()
    elif action == "download":
        body = MIB
    elif action == "compute":
        body = str(sum(number * number for number in range(20_000))).encode()
    elif action == "upload":
        body = str(len(environ["wsgi.input"].read())).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
'''

CONFIGURATION = """\
ServerRoot {root}
DefaultRuntimeDir {root}
PidFile {root}/pid
ErrorLog {root}/error.log
LogLevel warn
ServerName localhost
Listen 127.0.0.1:{port}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule wsgi_module {module}
{identity}
DocumentRoot {root}
ServerLimit 1
StartServers 1
ThreadLimit {threads}
ThreadsPerChild {threads}
MaxRequestWorkers {threads}
MinSpareThreads 1
MaxSpareThreads {threads}
MaxKeepAliveRequests 0
WSGIServerMetrics On
{lines}
WSGIScriptAlias /app {root}/app.py application-group=%{{GLOBAL}} {group}
<Directory />
    AllowOverride None
    Require all denied
</Directory>
<Directory {root}>
    Require all granted
</Directory>
"""

DAEMON = f"WSGIDaemonProcess bench threads={THREADS}\nWSGISocketPrefix {{root}}/wsgi"


@dataclass(frozen=True)
class Server:
    """One Apache to be measured."""

    reference: bool = False
    daemon: bool = False
    recording: bool = True
    lines: str = ""  # more lines for the configuration


@dataclass(frozen=True)
class Load:
    """A row of requests a second."""

    row: str
    server: Server
    path: str = "/app"
    connections: int = CONNECTIONS
    script: str = ""  # a script of wrk in Lua


UPLOAD = 'wrk.method = "POST"; wrk.body = string.rep("x", 1048576)'

OURS = Server()
THEIRS = Server(reference=True)
OUR_DAEMON = Server(daemon=True)
THEIR_DAEMON = Server(reference=True, daemon=True)

# A round runs all of these; every second round runs them in reverse order.
LOADS = [
    Load("static_rps", OURS, "/static.txt"),
    Load("embedded_rps", OURS),
    Load("reference_embedded_rps", THEIRS),
    Load("daemon_rps", OUR_DAEMON),
    Load("reference_daemon_rps", THEIR_DAEMON),
    Load("daemon_download_rps", OUR_DAEMON, "/app/download"),
    Load("reference_daemon_download_rps", THEIR_DAEMON, "/app/download"),
    Load("daemon_upload_rps", OUR_DAEMON, "/app/upload", script=UPLOAD),
    Load("reference_daemon_upload_rps", THEIR_DAEMON, "/app/upload", script=UPLOAD),
    *3 * [Load("recording_on_rps", OURS), Load("recording_off_rps", Server(recording=False))],  # in turns, because they differ by little
    Load("static_rps_1c", OURS, "/static.txt", connections=1),
    Load("embedded_rps_1c", OURS, connections=1),
    Load("reference_embedded_rps_1c", THEIRS, connections=1),
]


# The requests whose system calls are counted.
TRACED = {
    "static": (OURS, "/static.txt"),
    "embedded": (OURS, "/app"),
    "reference_embedded": (THEIRS, "/app"),
    "daemon": (OUR_DAEMON, "/app"),
    "reference_daemon": (THEIR_DAEMON, "/app"),
}


class ServerError(Exception):
    """The reason, in one line, why nothing can be measured."""


def reference_module(build: Path) -> Path:
    """Return the shared object of the reference, after building it on first use."""
    environment = build / "reference"
    program = environment / "bin" / "mod_wsgi-express"
    if not program.exists():
        try:
            environments.make(environment, ["--no-binary", "mod_wsgi", REFERENCE])
        except environments.NoEnvironment as error:
            raise ServerError(str(error)) from error
    location = subprocess.run([program, "module-location"], capture_output=True, text=True, check=True)
    return Path(location.stdout.strip())


@dataclass(frozen=True)
class Running:
    """A server that serves."""

    address: str
    pid: int


@contextmanager
def running(server: Server, module: Path) -> Iterator[Running]:
    """Start the server."""
    root = Path(tempfile.mkdtemp(prefix="sluice-bench-"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (root / "app.py").write_text(APPLICATION.format(recording=server.recording))
    (root / "static.txt").write_text("Hello World!")
    (root / "httpd.conf").write_text(
        CONFIGURATION.format(
            root=root,
            port=port,
            modules=APACHE_MODULES,
            module=module,
            threads=THREADS,
            identity="User nobody\nGroup nogroup" if os.geteuid() == 0 else "",
            lines=(DAEMON.format(root=root) if server.daemon else "") + server.lines,
            group="process-group=bench" if server.daemon else "process-group=%{GLOBAL}",
        )
    )
    root.chmod(0o755)
    process = subprocess.Popen(["/usr/sbin/apache2", "-f", root / "httpd.conf", "-D", "FOREGROUND"])
    try:
        _wait_for(f"http://127.0.0.1:{port}/app", process, root)
        yield Running(f"127.0.0.1:{port}", process.pid)
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(root, ignore_errors=True)


def _wait_for(url: str, process: subprocess.Popen[bytes], root: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).read()
            return
        except OSError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                log = root / "error.log"
                lines = log.read_text().splitlines() if log.exists() else []
                raise ServerError(f"Apache does not serve: {lines[-1:] or error}") from error
            time.sleep(0.1)


def requests_per_second(url: str, load: Load, seconds: int) -> float:
    command = ["wrk", "-t1", f"-c{load.connections}", f"-d{seconds}s", url]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        if load.script:
            script.write(load.script)
            script.flush()
            command += ["--script", script.name]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    if "Non-2xx" in done.stdout:
        raise ServerError(f"{url} answers with errors")
    match = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    if match is None:
        raise ServerError("wrk does not say how many requests it made")
    return float(match.group(1))


def get(connection: http.client.HTTPConnection, path: str) -> bytes:
    connection.request("GET", path)
    response = connection.getresponse()
    if response.status != 200:
        raise ServerError(f"{path} answers {response.status}")
    return response.read()


def call_us(address: str, call: str) -> float:
    """Return the time of one call among many without a request in between, measured in the application."""
    connection = http.client.HTTPConnection(address, timeout=30)
    with closing(connection):
        return float(get(connection, f"/app/calls/{call}"))


def busy_call_us(address: str, call: str) -> float:
    """Return the median time of calls between which all threads serve requests."""
    connection = http.client.HTTPConnection(address, timeout=30)
    times = []
    with closing(connection):
        for _ in range(BUSY_CALLS):
            for _ in range(2 * THREADS):
                get(connection, "/app")
            times.append(float(get(connection, f"/app/call/{call}")))
    return statistics.median(times)


def system_calls_per_request(server: Running, path: str) -> float:
    """Return the system calls of all processes of the server for a request on a connection that is kept."""
    connection = http.client.HTTPConnection(server.address, timeout=30)

    def ask() -> None:
        for _ in range(TRACED_REQUESTS):
            get(connection, path)

    with closing(connection):
        get(connection, path)  # the connection is open, and the script is loaded
        counts = system_calls.count(system_calls.family_of(server.pid), ask)
    return sum(counts.values()) / TRACED_REQUESTS


def count_system_calls(started: Mapping[Server, Running]) -> dict[str, list[float]]:
    """Return the rows of system calls; none where strace may not look at the servers, as in most containers."""
    try:
        return {f"{what}_system_calls": [system_calls_per_request(started[server], path)] for what, (server, path) in TRACED.items()}
    except system_calls.TraceError as error:
        print(f"report: system calls are not counted: {error}", file=sys.stderr)
        return {}


def measure(build: Path, rounds: int, seconds: int) -> dict[str, list[float]]:
    """Return the samples of each row."""
    if not MODULE.is_file():
        raise ServerError(f"{MODULE} is missing; `make bench` builds it")
    modules = {False: MODULE, True: reference_module(build)}
    of_row: dict[str, list[float]] = {}
    with ExitStack() as stack:
        started = {
            server: stack.enter_context(running(server, modules[server.reference]))
            for server in dict.fromkeys(load.server for load in LOADS)
        }
        addresses = {server: one.address for server, one in started.items()}
        of_row |= count_system_calls(started)
        for turn in range(rounds):
            direction = -1 if turn % 2 else 1
            for load in LOADS[::direction]:
                url = f"http://{addresses[load.server]}{load.path}"
                of_row.setdefault(load.row, []).append(requests_per_second(url, load, seconds))
            for call in CALLS:
                for name, server in [("", OURS), ("reference_", THEIRS)][::direction]:
                    of_row.setdefault(f"{name}{call}", []).append(call_us(addresses[server], call))
                    of_row.setdefault(f"{name}{call}_busy", []).append(busy_call_us(addresses[server], call))
    return of_row
