# SPDX-License-Identifier: Apache-2.0
"""The options of `sluice serve`, which the Django command `runsluice` has as well."""

from __future__ import annotations

import argparse
import ipaddress
import re
from pathlib import Path

LEVELS = ("error", "warn", "notice", "info", "debug")
FORMATS = {
    "common": "%h %l %u %t \\\"%r\\\" %>s %O",
    "combined": "%h %l %u %t \\\"%r\\\" %>s %O \\\"%{Referer}i\\\" \\\"%{User-Agent}i\\\"",
    "timed": "%h %t \\\"%r\\\" %>s %O %Dus",
}
DEFAULT_FORMAT = "common"
HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
URL_PATH = re.compile(r"/[A-Za-z0-9._~/-]*")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
MODE = re.compile(r"0?[0-7]{3}")
SIZE = re.compile(r"(\d+)([KMG]?)", re.IGNORECASE)
UNITS = {"": 0, "K": 10, "M": 20, "G": 30}
LARGEST_SIZE = 2**63 - 1  # as large as Apache takes
LONGEST_SECONDS = 10 * 365 * 86400


def port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 65535:
        raise ValueError
    return value


def mode(text: str) -> int:
    """Return the mode of a file, given in octal digits."""
    if not MODE.fullmatch(text):
        raise argparse.ArgumentTypeError(f"not three octal digits, such as 660: {text!r}")
    return int(text, 8)


def host(text: str) -> str:
    if not HOST.fullmatch(text):
        raise argparse.ArgumentTypeError(f"not an address: {text!r}")
    return text


def processes(text: str) -> int:
    return _number(text, 1, 1000)


def threads(text: str) -> int:
    return _number(text, 1, 1000)


def seconds(text: str) -> int:
    return _number(text, 0, LONGEST_SECONDS)


def size(text: str) -> int:
    """Return a number of bytes, which may be given in units of 1024."""
    match = SIZE.fullmatch(text)
    if match is None:
        raise ValueError
    value = int(match[1]) << UNITS[match[2].upper()]
    if value > LARGEST_SIZE:
        raise argparse.ArgumentTypeError(f"more than {LARGEST_SIZE} bytes: {text}")
    return value


def url_path(text: str) -> str:
    """Return a path without a slash at its end."""
    if not URL_PATH.fullmatch(text) or "//" in text or {".", ".."} & set(text.split("/")):
        raise argparse.ArgumentTypeError(f"not a plain path of a URL, such as /shop: {text!r}")
    return text.rstrip("/") or "/"


def is_within(url: str, other: str) -> bool:
    """Return whether a path is the other one or below it."""
    return f"{url.rstrip('/')}/".startswith(f"{other.rstrip('/')}/")


def url_and_folder(text: str) -> tuple[str, Path]:
    url, separator, path = text.partition("=")
    if not separator or not path:
        raise argparse.ArgumentTypeError(f"not URL=DIR: {text!r}")
    return url_path(url), Path(path)


def variable(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not NAME.fullmatch(name) or "\0" in value:
        raise argparse.ArgumentTypeError(f"not NAME=VALUE: {text!r}")
    return name, value


def network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _number(text: str, least: int, most: int) -> int:
    value = int(text)
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"not from {least} to {most}: {text}")
    return value


def add_target(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "target",
        nargs="?",
        metavar="APPLICATION",
        help="a file (app.py), a file or module with a callable (app.py:app, shop.wsgi:application), or a directory with "
        "wsgi.py, app.py, application.py or main.py; without a name the callable is `application` or `app`",
    )
    parser.add_argument("--django", metavar="SETTINGS", help="serve the Django project with this settings module")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add all options except the application."""
    _add_addresses(parser.add_argument_group("addresses"))
    _add_processes(parser.add_argument_group("processes"))
    _add_python(parser.add_argument_group("Python"))
    _add_urls(parser.add_argument_group("URLs"))
    _add_limits(parser.add_argument_group("limits"))
    _add_observation(parser.add_argument_group("logs and metrics"))
    _add_setup(parser.add_argument_group("Apache"))


def _add_addresses(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--host", type=host, default="127.0.0.1", metavar="ADDRESS", help="address to listen at; 0.0.0.0 is every one (%(default)s)")
    add("--port", type=port, metavar="N", help="port of HTTP; 0 takes a free one (8000, without --socket)")
    add("--socket", type=Path, metavar="PATH", help="listen at a Unix socket, behind a proxy; without --port only there")
    add("--socket-mode", type=mode, default=0o660, metavar="MODE", help="mode of the Unix socket, in octal (660)")
    add("--socket-group", metavar="NAME", help="group of the Unix socket (when started as root: that of the processes)")
    add("--https-port", type=port, metavar="N", help="port of HTTPS, beside that of HTTP; needs --certificate")
    add("--certificate", type=Path, metavar="FILE", help="certificate and its chain, in PEM")
    add("--key", type=Path, metavar="FILE", help="private key in PEM; without it, --certificate has both")
    add("--http2", action="store_true", help="offer HTTP/2, by HTTPS and in clear text")
    add(
        "--trust-proxy", type=network, action="append", default=[], metavar="NETWORK",
        help="believe the X-Forwarded headers of this address or network; may be repeated",
    )  # fmt: skip


def _add_processes(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--processes", type=processes, default=1, metavar="N", help="number of processes (%(default)s)")
    add("--threads", type=threads, default=15, metavar="N", help="number of threads in each (%(default)s)")
    add("--embedded", action="store_true", help="run the application in Apache's own processes, without daemon processes")
    add("--user", metavar="NAME", help="user of the processes when started as root (www-data, where there is one)")
    add("--group", metavar="NAME", help="group of the processes when started as root (that of the user)")
    add("--reload", action="store_true", help="replace the processes when a loaded module has changed; for development")


def _add_python(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--working-directory", type=Path, metavar="DIR",
        help="directory of the processes, and the first of sys.path (that of the application's file; the current one for a module)",
    )  # fmt: skip
    add("--python-path", type=Path, action="append", default=[], metavar="DIR", help="add to sys.path; may be repeated")
    add("--envvar", type=variable, action="append", default=[], metavar="NAME=VALUE", help="set a variable; may be repeated")


def _add_urls(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--mount", type=url_path, default="/", metavar="URL", help="path that the application is served at (%(default)s)")
    add(
        "--static", type=url_and_folder, action="append", default=[], metavar="URL=DIR",
        help="serve the files of a directory, without Python; may be repeated. /=DIR: files first, else the application",
    )  # fmt: skip
    add("--compress", action="store_true", help="compress text, JSON, JavaScript and SVG")


def _add_limits(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--limit-body", type=size, metavar="SIZE", help="refuse longer bodies with 413, such as 10M (Apache's default, 1G; 0: no limit)")
    add(
        "--request-timeout", type=seconds, default=0, metavar="S",
        help="replace a process whose request takes longer (no limit, but 504 after 60 s without a response)",
    )  # fmt: skip
    add("--queue-timeout", type=seconds, default=0, metavar="S", help="answer 504 to a request that waits longer (no limit)")
    add(
        "--graceful-timeout", type=seconds, default=15, metavar="S",
        help="time for requests in flight at a stop or restart (%(default)s)",
    )  # fmt: skip


def _add_observation(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--log-level", choices=LEVELS, default="warn", help="level of the error log (%(default)s)")
    add(
        "--access-log", nargs="?", const="-", metavar="FILE",
        help="log requests, to a file or to the standard output, which is DIR/logs/access.log with --setup-only (off)",
    )  # fmt: skip
    add(
        "--log-format", metavar="FORMAT",
        help=f"format of the access log: {', '.join(FORMATS)}, or a format of Apache ({DEFAULT_FORMAT})",
    )  # fmt: skip
    add(
        "--metrics", type=url_path, nargs="?", const="/sluice-metrics", metavar="PATH",
        help="serve the metrics of all processes there, to this machine only (off; without PATH: /sluice-metrics)",
    )  # fmt: skip
    add(
        "--metrics-from", type=network, action="append", default=[], metavar="NETWORK",
        help="allow this address or network to read them as well; may be repeated",
    )  # fmt: skip
    add("--telemetry", type=Path, metavar="SOCKET", help="report to the telemetry service at this Unix socket")


def _add_setup(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--include", type=Path, action="append", default=[], metavar="FILE", help="include a configuration; may be repeated")
    add("--module", type=Path, metavar="FILE", help="the Apache module (that of this package, else that of the system)")
    add(
        "--runtime-directory", type=Path, metavar="DIR",
        help="directory for sockets and the configuration while it runs (a new one in /run or in the temporary directory)",
    )  # fmt: skip
    add(
        "--setup-only", type=Path, metavar="DIR",
        help="write the configuration and a script `control` (start, stop, graceful, configtest, status), and do not start",
    )  # fmt: skip
    add("--print-config", action="store_true", help="print the configuration, and do not start")
