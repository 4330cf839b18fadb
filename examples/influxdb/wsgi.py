# SPDX-License-Identifier: Apache-2.0
"""A small application that reports its metrics: the two lines below are all it takes."""

from collections.abc import Callable, Iterable
from typing import Any

import metrics

metrics.enable_reporting()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    body = f"You asked for {environ['PATH_INFO'] or '/'}\n".encode("latin-1")
    headers = [
        ("Content-Type", "text/plain; charset=iso-8859-1"),
        ("Content-Length", str(len(body))),
    ]
    start_response("200 OK", headers)
    return [body]
