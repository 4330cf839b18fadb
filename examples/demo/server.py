# SPDX-License-Identifier: Apache-2.0
"""A private Apache: its own directory, one loopback port, one process that runs Python."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

APACHE = "/usr/sbin/apache2"
MODULES = Path("/usr/lib/apache2/modules")
USER = "www-data"
WORKER_THREADS = 8
START_TIMEOUT = 60.0
SILENCE_TIMEOUT = 5
GRACEFUL_TIMEOUT = 10
STOP_TIMEOUT = 30.0
LOAD_AGENT = "demo-load"

CONFIGURATION = """\
ServerRoot "{directory}"
ServerName 127.0.0.1
DefaultRuntimeDir "{directory}"
PidFile apache.pid
Listen 127.0.0.1:{port}
{identity}
ErrorLog error.log
LogLevel notice

LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule wsgi_module "{module}"

StartServers 1
ServerLimit 1
ThreadsPerChild {threads}
MaxRequestWorkers {threads}
MinSpareThreads 1
MaxSpareThreads {threads}
MaxKeepAliveRequests 0
Timeout {timeout}
GracefulShutdownTimeout {graceful_timeout}

# Requests that the load did not send, for the summary.
CustomLog others.log "%r" "expr=%{{HTTP_USER_AGENT}} != '{load_agent}' && %{{HANDLER}} == 'wsgi-script'"

WSGIPythonPath "{directory}/site"
WSGIScriptAlias / "{directory}/site/wsgi.py" process-group=%{{GLOBAL}} application-group=%{{GLOBAL}}
WSGIImportScript "{directory}/site/reporter.py" process-group=%{{GLOBAL}} application-group=metrics
<Directory "{directory}/site">
    Require all granted
</Directory>
{telemetry}
"""


TELEMETRY = """\
WSGITelemetryService "unix:{socket}"
WSGISlowRequests 0.25
"""


class DemoError(Exception):
    """Says in one line why the demonstration cannot go on."""


def free_port(port: int) -> int:
    """`port`, or any that is free if that is 0."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise DemoError(f"port {port} cannot be used: {error.strerror}") from None
        return int(probe.getsockname()[1])


class Server:
    def __init__(
        self, directory: Path, module: Path, port: int, telemetry: Path | None = None
    ) -> None:
        if not Path(APACHE).exists():
            raise DemoError(f"{APACHE} is missing: install Debian's package apache2")
        if not module.is_file():
            raise DemoError(
                f"there is no module at {module}: build it first, or name it with --module"
            )
        self._directory = directory
        self._module = module.resolve()
        self.port = free_port(port)
        self._telemetry = telemetry
        self.windows = directory / "windows"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self, files: list[Path]) -> None:
        self._lay_out(files)
        # In a session of its own, neither Ctrl-C nor a resized terminal (SIGWINCH means
        # "stop" to Apache) reaches it; only this program stops it.
        self._process = subprocess.Popen(
            [APACHE, "-f", str(self._directory / "apache.conf"), "-DFOREGROUND"],
            env={**os.environ, "DEMO_WINDOWS": str(self.windows), "METRICS_INTERVAL": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(self._directory / "stderr.log").open("wb"),
            start_new_session=True,
        )
        self._await_port()

    def check(self) -> None:
        if self._process is not None and self._process.poll() is not None:
            raise DemoError(f"Apache ended by itself: {self.last_words()}")

    def stop(self) -> None:
        """Stops Apache gracefully; kills it and raises when that takes too long.

        SIGTERM would not do: Apache's event MPM then closes the connections of busy threads, which
        can crash the process before its reporter has written the last window. A client that sends
        half a request and no more holds the end up until Timeout.
        """
        if self._process is None:
            return
        process, self._process = self._process, None
        process.send_signal(signal.SIGWINCH)
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise DemoError(
                f"Apache did not stop within {STOP_TIMEOUT:g} s and was killed; "
                f"its error log says:\n{self.log().rstrip()}"
            ) from None

    def requests_of_others(self) -> int:
        log = self._directory / "others.log"
        return len(log.read_bytes().splitlines()) if log.exists() else 0

    def log(self) -> str:
        files = (self._directory / name for name in ("error.log", "stderr.log"))
        return "".join(file.read_text(errors="replace") for file in files if file.exists())

    def last_words(self) -> str:
        lines = self.log().splitlines()
        return lines[-1] if lines else "Apache left no message"

    def _lay_out(self, files: list[Path]) -> None:
        """Copies what Apache reads to where its unprivileged processes may read it."""
        site = self._directory / "site"
        site.mkdir()
        for file in files:
            shutil.copyfile(file, site / file.name)
        self.windows.touch()
        identity = ""
        if os.geteuid() == 0:
            identity = f"User {USER}\nGroup {USER}"
            shutil.chown(self.windows, USER)
            for path in (self._directory, site):
                path.chmod(0o755)
            for path in site.iterdir():
                path.chmod(0o644)
        text = CONFIGURATION.format(
            directory=self._directory,
            port=self.port,
            identity=identity,
            modules=MODULES,
            module=self._module,
            threads=WORKER_THREADS,
            timeout=SILENCE_TIMEOUT,
            graceful_timeout=GRACEFUL_TIMEOUT,
            load_agent=LOAD_AGENT,
            telemetry=TELEMETRY.format(socket=self._telemetry) if self._telemetry else "",
        )
        (self._directory / "apache.conf").write_text(text, encoding="utf-8")

    def _await_port(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            self.check()
            try:
                socket.create_connection(("127.0.0.1", self.port), 1.0).close()
                return
            except OSError:
                time.sleep(0.05)
        raise DemoError(f"Apache did not open port {self.port}: {self.last_words()}")
