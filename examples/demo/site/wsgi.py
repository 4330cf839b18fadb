# SPDX-License-Identifier: Apache-2.0
"""The application of the demo: a page to click on, and answers of several kinds and speeds."""

import time
from collections.abc import Callable, Iterable
from html import escape
from typing import Any

LINKS = {
    "/hello": "a short answer",
    "/slow": "waits for a third of a second",
    "/work": "computes for a tenth of a second",
    "/moved": "redirects to /hello",
    "/missing": "404 Not Found",
    "/broken": "500 Internal Server Error",
}

Answer = tuple[str, str, str]


def page() -> Answer:
    items = "".join(
        f'<li><a href="{path}">{path}</a> {escape(text)}</li>' for path, text in LINKS.items()
    )
    head = (
        "<!doctype html><title>Demo</title><h1>It works</h1><p>Click, and watch the terminal.</p>"
    )
    return "200 OK", "text/html; charset=utf-8", f"{head}<ul>{items}</ul>"


def slow() -> Answer:
    time.sleep(1 / 3)
    return "200 OK", "text/plain", "That took a while.\n"


def work() -> Answer:
    end = time.thread_time() + 0.1
    rounds = 0
    while time.thread_time() < end:
        rounds += 1
    return "200 OK", "text/plain", f"{rounds} rounds.\n"


PATHS: dict[str, Callable[[], Answer]] = {
    "/": page,
    "/hello": lambda: ("200 OK", "text/plain", "Hello World!"),
    "/slow": slow,
    "/work": work,
    "/moved": lambda: ("302 Found", "text/plain", "Over there.\n"),
    "/broken": lambda: ("500 Internal Server Error", "text/plain", "Broken on purpose.\n"),
}


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    answer = PATHS.get(
        environ["PATH_INFO"], lambda: ("404 Not Found", "text/plain", "Nothing here.\n")
    )
    status, content_type, text = answer()
    body = text.encode()
    headers = [("Content-Type", content_type), ("Content-Length", str(len(body)))]
    if status.startswith("302"):
        headers.append(("Location", "/hello"))
    start_response(status, headers)
    return [body]
