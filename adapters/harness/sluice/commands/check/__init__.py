# SPDX-License-Identifier: Apache-2.0
"""``sluice check``: what is wrong with a server now."""

from __future__ import annotations

import argparse
import io
import json
import math
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from sluice.commands.check.diagnoses import DIAGNOSES, FIGURES, Finding, Limits, Observation, diagnose
from sluice.commands.endpoints import ADDRESSES, DEFAULT_URL, add_common, addresses, positive_seconds, tls_context
from sluice.commands.streams import discard_output, write
from sluice.monitor.client import Client, EndpointError
from sluice.monitor.reading import Reading
from sluice.monitor.text import format_rate, format_seconds
from sluice.monitor.window import Window, difference

__all__ = ["add_parser", "run"]

HEALTHY, FAILED, UNKNOWN = 0, 1, 2

_DESCRIPTION = """\
Say in words what is wrong with a server now, and which figure shows it. Takes
readings of exact counters over one interval, and judges their differences. A
group that is full is watched for a second interval: a peak is no fault.
"""


def _lines(names: Any) -> str:
    return "".join(f"  {name:<13} {meaning}\n" for name, meaning in names)


_EPILOG = f"""\
diagnoses:
{_lines((name, meaning) for name, (_, meaning) in DIAGNOSES.items())}
figures for --fail-above:
{_lines((name, meaning) for name, (_, meaning) in FIGURES.items())}
exit status:
  0  healthy: none of the conditions that count holds
  1  a condition holds that --fail-on or --fail-above names; without both
     options, any diagnosis
  2  cannot tell: no answer, or the server was started meanwhile; or the
     findings cannot be written

{ADDRESSES}
examples:
  sluice check http://localhost:8000/sluice-metrics
  sluice check --fail-above capacity=0.9 --fail-on full,stuck localhost:8000
  sluice check --quiet unix:/run/app.sock
  sluice check --interval 600 --fail-on memory
"""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "check",
        help="say what is wrong with a server now, for people and probes",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("address", nargs="?", default=DEFAULT_URL, metavar="URL", help="endpoint of a server (default: %(default)s)")
    add_common(parser, interval=2.0)
    parser.add_argument(
        "--fail-on", action="append", type=_names, default=[], metavar="NAME[,NAME...]",
        help="diagnoses that count for the exit status; 'any' for all",
    )  # fmt: skip
    parser.add_argument(
        "--fail-above", action="append", type=_threshold, default=[], metavar="FIGURE=NUMBER",
        help="a figure of any group above this number counts; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--group", action="append", default=[], metavar="NAME",
        help="judge this process group only; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--stuck-after", type=positive_seconds, default=Limits.stuck_seconds, metavar="SECONDS",
        help="age from which a request in flight is stuck (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--memory-growth", type=_mebibytes, default=Limits.growth_bytes, metavar="MIB",
        help="growth of a process in the interval from which it is reported, 5 %% of its memory at least (default: 16)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    parser.add_argument("--quiet", action="store_true", help="print nothing; the exit status tells")
    parser.set_defaults(run=partial(run, parser), failure=UNKNOWN)


def run(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    (address,) = addresses(parser, arguments, [arguments.address])
    limits = Limits(stuck_seconds=arguments.stuck_after, growth_bytes=arguments.memory_growth)
    client = Client(address, arguments.timeout, context=tls_context(parser, arguments))
    try:
        whole, findings = _judge(client, client.read(), arguments, limits)
        if any(finding.diagnosis == "full" for finding in findings):
            _, later = _judge(client, whole.reading, arguments, limits)
            still_full = {finding.group for finding in later if finding.diagnosis == "full"}
            findings = [finding for finding in findings if finding.diagnosis != "full" or finding.group in still_full]
    except EndpointError as error:
        return _unknown(str(error), arguments)
    except KeyboardInterrupt:
        return UNKNOWN
    missing = set(arguments.group) - {group.name for group in whole.groups}
    if missing:
        return _unknown(f"{address.text}: there is no process group '{sorted(missing)[0]}'", arguments)
    chosen = [name for names in arguments.fail_on for name in names]
    everything = "any" in chosen or not (chosen or arguments.fail_above)
    exceeded = list(_exceeded(whole, arguments.fail_above, arguments.group))
    counting = [*exceeded, *(finding for finding in findings if everything or finding.diagnosis in chosen)]
    status = FAILED if counting else HEALTHY
    try:
        _report(whole, [*exceeded, *findings], status, arguments)
    except BrokenPipeError:
        discard_output()
    return status


def _judge(client: Client, begin: Reading, arguments: argparse.Namespace, limits: Limits) -> tuple[Window, list[Finding]]:
    """Takes a reading in the middle and at the end of an interval that has begun. Returns its window, and what is wrong in it.

    Raises EndpointError without an answer, and when the server was started meanwhile.
    """
    readings = [begin]
    for _ in range(2):
        time.sleep(arguments.interval / 2)
        readings.append(client.read())
    whole, first, second = (difference(*pair) for pair in (readings[::2], readings[:2], readings[1:]))
    if whole is None or first is None or second is None:
        raise EndpointError(f"{client.address.text}: the server was started between two readings; its counters began again")
    return whole, list(_findings(whole, first, second, limits, arguments.group))


def _findings(whole: Window, first: Window, second: Window, limits: Limits, names: Sequence[str]) -> Iterator[Finding]:
    oldest: dict[str, tuple[float, str]] = {}
    for request in whole.reading.slow_requests or ():
        description = f"{request.method} {request.path} in process {request.pid}"
        oldest[request.group] = max(oldest.get(request.group, (0.0, "")), (request.age_seconds, description))
    early = dict(enumerate(first.groups))
    server_restarted = all(group.starts for group in whole.groups)
    for index, group in enumerate(whole.groups):
        if names and group.name not in names:
            continue
        description = oldest.get(group.name, (0.0, ""))[1]
        seen = Observation(group, early.get(index, group), second.groups[index], description, server_restarted)
        yield from diagnose(seen, limits)


def _exceeded(whole: Window, thresholds: Sequence[tuple[str, float]], names: Sequence[str]) -> Iterator[Finding]:
    for name, most in thresholds:
        for group in whole.groups:
            value = FIGURES[name][0](group)
            if value > most and (not names or group.name in names):
                yield Finding("above", group.name, f"{name} is {value:.3g}, above {most:g}")


def _report(whole: Window, findings: Sequence[Finding], status: int, arguments: argparse.Namespace) -> None:
    if arguments.quiet:
        return
    if arguments.json:
        write(json.dumps({"status": status, "findings": [vars(finding) for finding in findings]}))
        return
    for finding in findings:
        write(str(finding))
    if not findings:
        total = whole.total
        write(
            f"healthy: {len(whole.groups)} groups, {total.after.processes} processes, {format_rate(total.rate)} requests/s, "
            f"capacity {total.capacity:.2f}, oldest request {format_seconds(total.after.longest_seconds)}, in {whole.seconds:.1f} s"
        )


def _unknown(line: str, arguments: argparse.Namespace) -> int:
    if arguments.json and not arguments.quiet:
        write(json.dumps({"status": UNKNOWN, "error": line}))
    elif not arguments.quiet:
        print(f"sluice check: {line}", file=sys.stderr)
    return UNKNOWN


def _names(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in (*DIAGNOSES, "any"):
            raise argparse.ArgumentTypeError(f"{name!r} is no diagnosis; there are {', '.join(DIAGNOSES)}, and any")
    return names


def _threshold(text: str) -> tuple[str, float]:
    name, _, number = text.partition("=")
    if name not in FIGURES:
        raise argparse.ArgumentTypeError(f"{name!r} is no figure; there are {', '.join(FIGURES)}")
    return name, _finite(number)


def _mebibytes(text: str) -> float:
    return _finite(text) * 2**20


def _finite(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not math.isfinite(number) or number < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number that is 0 or more")
    return number
