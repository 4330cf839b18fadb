"""The same Apache with this module and with the reference in turn: requests a second, and the time of the calls.

The reference is mod_wsgi from PyPI, built into an environment of its own. Both serve the same application under the same
MPM with as many threads; rounds alternate, so that what else the machine does hits both alike.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OURS = ROOT / "build" / "release" / "modules" / "mod_sluice.so"
REFERENCE = "mod_wsgi==6.1.1"
APACHE_MODULES = Path("/usr/lib/apache2/modules")
THREADS = 8
CONNECTIONS = 8
START_SECONDS = 20.0

APPLICATION = '''\
import time

import mod_wsgi

if {recording}:
    mod_wsgi.start_recording_metrics()


def microseconds(call, number=200):
    """Of a call, the median of a few hundred."""
    times = []
    for _ in range(number):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return sorted(times)[number // 2] * 1e6


def application(environ, start_response):
    body = b"Hello World!"
    if environ["PATH_INFO"] == "/calls":
        calls = mod_wsgi.request_metrics, mod_wsgi.process_metrics
        body = " ".join(str(microseconds(call)) for call in calls).encode()
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
{lines}
WSGIScriptAlias /app {root}/app.py application-group=%{{GLOBAL}} {group}
<Directory {root}>
    Require all granted
</Directory>
"""

DAEMON = f"WSGIDaemonProcess bench threads={THREADS}\nWSGISocketPrefix {{root}}/wsgi"


class ServerError(Exception):
    """Says in one line why nothing can be measured."""


def reference_module(build: Path) -> Path:
    """The shared object of the reference, built on first use."""
    environment = build / "reference"
    program = environment / "bin" / "mod_wsgi-express"
    if not program.exists():
        print(f"bench: {environment}: pip builds {REFERENCE}")
        for command in (
            ["/usr/bin/python3", "-m", "venv", "--clear", environment],
            [environment / "bin" / "pip", "install", "--quiet", REFERENCE],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise ServerError(f"{REFERENCE} cannot be built: {done.stderr.strip().splitlines()[-1:]}")
    found = subprocess.run([program, "module-location"], capture_output=True, text=True, check=True)
    return Path(found.stdout.strip())


@contextmanager
def server(module: Path, *, daemon: bool = False, recording: bool = True) -> Iterator[str]:
    """A running Apache; gives its address."""
    root = Path(tempfile.mkdtemp(prefix="sluice-bench-"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (root / "app.py").write_text(APPLICATION.format(recording=recording))
    (root / "static.txt").write_text("Hello World!")
    (root / "httpd.conf").write_text(
        CONFIGURATION.format(
            root=root,
            port=port,
            modules=APACHE_MODULES,
            module=module,
            threads=THREADS,
            identity="User nobody\nGroup nogroup" if os.geteuid() == 0 else "",
            lines=DAEMON.format(root=root) if daemon else "",
            group="process-group=bench" if daemon else "process-group=%{GLOBAL}",
        )
    )
    root.chmod(0o755)
    process = subprocess.Popen(["/usr/sbin/apache2", "-f", root / "httpd.conf", "-D", "FOREGROUND"])
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_for(f"{address}/app", process, root)
        yield address
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


def requests_per_second(url: str, seconds: int) -> float:
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", url]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    if "Non-2xx" in done.stdout:
        raise ServerError(f"{url} answers with errors")
    found = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    if found is None:
        raise ServerError("wrk does not say how many requests it made")
    return float(found.group(1))


def call_times(address: str) -> tuple[float, float]:
    """Microseconds of request_metrics() and process_metrics()."""
    body = urllib.request.urlopen(f"{address}/app/calls", timeout=30).read()
    first, second = (float(each) for each in body.split())
    return first, second


def measure(build: Path, rounds: int, seconds: int) -> dict[str, list[float]]:
    """The samples of each row."""
    modules = {"": OURS, "reference_": reference_module(build)}
    if not OURS.is_file():
        raise ServerError(f"{OURS} is missing; `make bench` builds it")
    of_row: dict[str, list[float]] = {}

    def add(row: str, value: float) -> None:
        of_row.setdefault(row, []).append(value)

    for daemon in (False, True):
        mode = "daemon" if daemon else "embedded"
        with server(modules[""], daemon=daemon) as ours, server(modules["reference_"], daemon=daemon) as theirs:
            addresses = {"": ours, "reference_": theirs}
            for _ in range(rounds):
                for name, address in addresses.items():
                    add(f"{name}{mode}_rps", requests_per_second(f"{address}/app", seconds))
                if daemon:
                    continue
                add("static_rps", requests_per_second(f"{ours}/static.txt", seconds))
                for name, address in addresses.items():
                    for row, value in zip(("request_metrics", "process_metrics"), call_times(address)):
                        add(f"{name}{row}", value)
    add_recording_rows(add, rounds, seconds)
    return of_row


def add_recording_rows(add: Callable[[str, float], None], rounds: int, seconds: int) -> None:
    """With recording on and off, in two servers: it cannot be switched off again."""
    with server(OURS) as on, server(OURS, recording=False) as off:
        for _ in range(rounds):
            add("recording_on_rps", requests_per_second(f"{on}/app", seconds))
            add("recording_off_rps", requests_per_second(f"{off}/app", seconds))
