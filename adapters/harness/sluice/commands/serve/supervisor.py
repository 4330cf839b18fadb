# SPDX-License-Identifier: Apache-2.0
"""The foreground process: it starts Apache, passes its logs on, and ends it."""

from __future__ import annotations

import os
import selectors
import signal
import socket
import time

from sluice.commands.apache import Apache
from sluice.commands.serve.addresses import listening_address
from sluice.commands.serve.child import Child
from sluice.commands.serve.layout import Layout, share
from sluice.commands.serve.logs import Logs, say
from sluice.commands.serve.settings import Settings
from sluice.monitor.text import clean

STOP = (signal.SIGINT, signal.SIGTERM)
RESTART = (signal.SIGHUP, signal.SIGUSR1)
LOADING_SECONDS = 10.0
SECONDS_BEYOND_GRACEFUL = 10.0
SECONDS_TO_END = 15.0
LONGEST_REPORT = 1000


class Supervisor:
    """Runs one Apache. It is the first process of a container where there is no other one, so it reaps any child."""

    def __init__(self, settings: Settings, apache: Apache, place: Layout) -> None:
        self._settings = settings
        self._place = place
        self._logs = Logs()
        self._child = Child(apache, place, settings)
        self._has_terminal = _can_open_terminal()
        self._ready = False
        self._restart_when_ready = False
        self._failure = ""
        self._deadlines: list[tuple[float, signal.Signals]] = []  # When a stop becomes harder, and by which signal

    def run(self, signals: socket.socket) -> int:
        """Serve until the end; return the exit status. `signals` is what received_signals() returned."""
        with self._report_socket() as reports, selectors.DefaultSelector() as selector:
            self._child.start(self._logs)
            loading_since = time.monotonic()
            selector.register(signals, selectors.EVENT_READ, lambda: self._on_signals(signals))
            selector.register(reports, selectors.EVENT_READ, lambda: self._on_report(reports))
            while self._child.alive:
                for key, _ in selector.select(timeout=1.0):
                    key.data()
                if loading_since and not self._ready and time.monotonic() > loading_since + LOADING_SECONDS:
                    loading_since = 0.0
                    say(f"{self._settings.target} is still loading")
                self._enforce_deadlines()
        self._logs.wait_for_the_rest()
        return self._conclude()

    # Events

    def _on_signals(self, signals: socket.socket) -> None:
        for number in signals.recv(4096):
            if number in STOP:
                self._stop()
            elif number == signal.SIGHUP and self._has_terminal and not _can_open_terminal():
                self._stop()  # The terminal was closed, which is no request for a restart.
            elif number in RESTART:
                self._restart()
            elif number == signal.SIGCHLD:
                self._child.reap()

    def _on_report(self, reports: socket.socket) -> None:
        """Take the first report about loading; later ones are from processes that replace others, and are in the log."""
        # The application, which may be another user's, chooses the text, and this goes to a terminal.
        outcome, _, reason = clean(reports.recv(8192).decode(errors="replace"), LONGEST_REPORT).partition(": ")
        if self._ready or self._deadlines:
            return
        if outcome == "loaded":
            self._begin_to_serve()
        elif self._settings.options.reload:
            say(f"{self._settings.target} does not load: {reason}; it is loaded again when it changes")
            self._begin_to_serve()
        else:
            self._failure = f"{self._settings.target} does not load: {reason}"
            self._stop()

    def _begin_to_serve(self) -> None:
        self._ready = True
        say(f"serving {self._settings.target} at {' and '.join(self._urls())}; Ctrl-C stops")
        if self._restart_when_ready:
            self._restart()

    # Actions

    def _restart(self) -> None:
        """Restart gracefully. Apache that still starts would be ended by the signal."""
        self._restart_when_ready = not self._ready
        if self._ready and not self._deadlines:
            say("restarting gracefully")
            self._child.signal(signal.SIGUSR1)

    def _stop(self) -> None:
        """Stop gracefully; each repeated signal escalates. Without grace when nothing is served yet."""
        if self._deadlines or not self._ready:
            self._hurry()
            return
        say("stopping, when the requests in flight are finished; again to stop now")
        self._child.signal(signal.SIGWINCH)
        harder = time.monotonic() + self._settings.options.graceful_timeout + SECONDS_BEYOND_GRACEFUL
        self._deadlines = [(harder, signal.SIGTERM), (harder + SECONDS_TO_END, signal.SIGKILL)]

    def _hurry(self) -> None:
        """Send the next harder signal now."""
        kill_at = (time.monotonic() + SECONDS_TO_END, signal.SIGKILL)
        _, number = self._deadlines[0] if self._deadlines else (0.0, signal.SIGTERM)
        if self._ready:
            say("stopping now" if number == signal.SIGTERM else "ending all processes")
        self._child.signal(number)
        self._deadlines = [kill_at]

    def _enforce_deadlines(self) -> None:
        while self._deadlines and time.monotonic() > self._deadlines[0][0]:
            number = self._deadlines[0][1]
            self._child.signal(number)
            self._deadlines = self._deadlines[1:] or [(time.monotonic() + SECONDS_TO_END, signal.SIGKILL)]

    def _conclude(self) -> int:
        if self._failure:
            say(self._failure)
            return 1
        if not self._deadlines:
            say(f"Apache has ended by itself, {self._child.how_it_ended()}; the reason is in the lines above")
            return 1
        requests = self._logs.completed_requests(self._child.pid)
        if not self._ready:
            say("stopped")
        elif requests is None:
            say("stopped; the number of requests is not known, because Apache was killed or logs elsewhere")
        else:
            say(f"stopped; {requests} requests served")
        return 0

    # Details

    def _report_socket(self) -> socket.socket:
        receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        receiver.bind(str(self._place.report_socket))
        share(self._place.report_socket, 0o620, self._settings.identity)
        receiver.setblocking(False)
        return receiver

    def _urls(self) -> list[str]:
        options = self._settings.options
        mount = "" if options.mount == "/" else options.mount
        ports = {"http": options.port, "https": options.https_port}
        urls = [f"{scheme}://{listening_address(options.host, port)}{mount}/" for scheme, port in ports.items() if port is not None]
        return [*urls, *([f"unix:{options.socket}"] if options.socket else [])]


def _can_open_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def hold_restarts() -> None:
    """Keep signals for a restart until received_signals(); their default would end this process."""
    signal.pthread_sigmask(signal.SIG_BLOCK, RESTART)


def received_signals() -> socket.socket:
    """Return a socket that receives the number of each signal from now on, and of those that were held."""
    receiver, sender = socket.socketpair()
    for end in (receiver, sender):
        end.setblocking(False)
    signal.set_wakeup_fd(sender.detach(), warn_on_full_buffer=False)
    # nohup ignores SIGHUP, so that closing the terminal does not reach the program.
    ignored = {signal.SIGHUP} if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN else set()
    for number in {*STOP, *RESTART, signal.SIGCHLD} - ignored:
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, RESTART)
    return receiver
