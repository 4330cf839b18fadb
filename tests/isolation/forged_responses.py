# SPDX-License-Identifier: Apache-2.0
"""The table of forged responses: what an application writes to the connection of its own request, and what a client may see
of it at most."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from apache.wire import frame, header, raw_frame, response

from .frames import cuts, frame_names, unknown_types, wrong_lengths, wrong_numbers, wrong_sizes

BODY = b"forged"
PLAIN = [("Content-Type", "text/plain")]
HEAD = response(headers=PLAIN)
DATA, END = raw_frame("data", BODY), raw_frame("end")
NUMBERS = (-(1 << 31), -3, -2, -1, 0, 1, 99, 100, 101, 103, 199, 204, 304, 600, 999, 1000, 1 << 31, (1 << 32) - 1, (1 << 64) - 1)
SAMPLES = {
    "read_request": {"least": 1, "most": 10},
    "response": {"status": 200, "status_line": "200 OK", "headers": [("Content-Type", "text/plain"), ("X-A", "b")]},
    "failed": {"status": 500},
    "log": {"level": 0, "text": "a line"},
}
# How far a proper response has come when the forged frame arrives.
LINE = frame("log", level=0, text="FORGED-LINE")
STATES = {
    "first": b"", "after a line": LINE, "after the head": HEAD, "after data": HEAD + DATA, "after the end": HEAD + DATA + END,
    "after the end before lines": HEAD + DATA + raw_frame("end_before_log"),
}  # fmt: skip


@dataclass(frozen=True)
class Forged:
    name: str
    sent: bytes
    whole: bool = False  # a client may see a response that looks whole, with the body BODY or none


def length(size: int | str) -> list[tuple[str, str]]:
    return [*PLAIN, ("Content-Length", str(size))]


WRONG_LINES = {
    "000": "000 Zero", "099": "099 Low", "100": "100 Continue", "101": "101 Switching Protocols", "199": "199 Early",
    "600": "600 High", "999": "999 High", "1000": "1000 Long", "no number": "OK", "empty": "", "a line end": "200 OK\r\nX-Forged: 1",
    "a lone CR": "200 OK\rX-Forged: 1", "a NUL": "200 OK\0", "a sign": "-20 OK", "spaces": "   200 OK", "hexadecimal": "0xC OK",
}  # fmt: skip
WRONG_HEADERS: dict[str, list[tuple[str, str]]] = {
    "CR and LF in a value": [("X-A", "b\r\nX-Forged: 1")],
    "LF in a value": [("X-A", "b\nX-Forged: 1")],
    "CR in a value": [("X-A", "b\rX-Forged: 1")],
    "NUL in a value": [("X-A", "b\0c")],
    "a whole response in a value": [("X-A", "b\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nX-Forged: 1\r\n\r\n")],
    "LF in a name": [("X-A\nX-Forged", "1")],
    "a colon in a name": [("X-Forged: 1\r\nX-A", "b")],
    "a space in a name": [("X A", "b")],
    "NUL in a name": [("X\0A", "b")],
    "an empty name": [("", "b")],
    "Transfer-Encoding: chunked": [("Transfer-Encoding", "chunked")],
    "transfer-encoding: gzip, chunked": [("transfer-encoding", "gzip, chunked")],
    "Connection: keep-alive": [("Connection", "keep-alive")],
    "Connection: upgrade": [("Connection", "upgrade"), ("Upgrade", "websocket")],
    "Keep-Alive": [("Keep-Alive", "timeout=1000")],
    "Proxy-Authenticate": [("Proxy-Authenticate", "Basic")],
    "Trailer": [("Trailer", "X-Forged")],
    "TE": [("TE", "trailers")],
    "two different lengths": [("Content-Length", "6"), ("Content-Length", "7")],
    "two lengths in one": [("Content-Length", "6, 7")],
    "a negative length": [("Content-Length", "-1")],
    "a length with a sign": [("Content-Length", "+6")],
    "a hexadecimal length": [("Content-Length", "0x6")],
    "a length with a space": [("Content-Length", "6 6")],
    "an endless length": [("Content-Length", "9" * 30)],
    "an empty length": [("Content-Length", "")],
}


def first_frames() -> Iterator[Forged]:
    """Frames that are wrong wherever they come, in each state of a response."""
    for state, before in STATES.items():
        whole = state.startswith("after the end")
        for name in frame_names():
            for case, sent in wrong_sizes(name):
                ends = name in ("end", "end_before_log") and sent == raw_frame(name)
                proper_end = ends and state in ("after the head", "after data", "after the end")
                if state in ("first", "after a line") and name == "retry" and sent == raw_frame("retry"):
                    continue  # another process is asked, see test_forged_responses.py
                yield Forged(f"{state}: {case}", before + sent, whole or proper_end)
        for case, sent in unknown_types():
            yield Forged(f"{state}: {case}", before + sent, whole)


def heads() -> Iterator[Forged]:
    for case, line in WRONG_LINES.items():
        yield Forged(f"status line {case}", response(line, PLAIN, 200) + DATA + END)
        if line[:3].isdigit():
            yield Forged(f"status and line {case}", response(line, PLAIN) + DATA + END)
    for case, headers in WRONG_HEADERS.items():
        yield Forged(f"header {case}", response(headers=[*PLAIN, *headers]) + DATA + END)
    for name, sample in SAMPLES.items():
        for case, sent in (*cuts(name, sample), *wrong_lengths(name, sample)):
            yield Forged(case, sent)
    for case, sent in wrong_numbers("failed", SAMPLES["failed"], NUMBERS):
        yield Forged(case, sent)
    for case, sent in wrong_numbers("response", SAMPLES["response"], NUMBERS):
        yield Forged(case, sent + DATA + END)
    for least, most in ((0, 0), (0, 1), (2, 1), (1, (1 << 64) - 1), ((1 << 64) - 1, (1 << 64) - 1), (1, 1)):
        yield Forged(f"a read of {least} to {most}", frame("read_request", least=least, most=most))


def bodies() -> Iterator[Forged]:
    smuggled = BODY + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nX-Forged: 1\r\n\r\nforged"
    for size in (0, 1, len(BODY)):
        cut = Forged(f"a body longer than {size}", response(headers=length(size)) + raw_frame("data", smuggled) + END, True)
        yield cut
    for size in (len(BODY) + 1, 1 << 20, (1 << 63) - 1):
        yield Forged(f"a body shorter than {size}", response(headers=length(size)) + DATA + END)
    yield Forged("no end", HEAD + DATA)
    yield Forged("no end, with its length", response(headers=length(len(BODY))) + DATA, True)
    yield Forged("nothing at all", b"")
    yield Forged("half of a header", END[:4])
    yield Forged("two ends", HEAD + DATA + END + END, True)
    yield Forged("two responses", (HEAD + DATA + END) * 2, True)
    yield Forged("two heads", HEAD + HEAD + DATA + END)
    yield Forged("data before the head", DATA + HEAD + DATA + END)
    yield Forged("a break", HEAD + DATA + raw_frame("break"))
    yield Forged("a failure after data", HEAD + DATA + frame("failed", status=500))
    yield Forged("a retry after data", HEAD + DATA + raw_frame("retry"))
    yield Forged("an end inside data", HEAD + header("data", 100) + DATA + END)
    yield Forged("lines between all frames", LINE + HEAD + LINE + DATA + LINE + END, True)
    yield Forged("lines after their end", HEAD + DATA + raw_frame("end_before_log") + LINE * 3, True)
    yield Forged("two ends, of which one announces lines", HEAD + DATA + raw_frame("end_before_log") + END, True)
    yield Forged("lines after a break", HEAD + DATA + raw_frame("break") + LINE)
    yield Forged("lines and nothing else", LINE * 100)
    yield Forged("a whole response in a line", frame("log", level=0, text=HEAD + DATA + END))
    yield Forged("a line of a level that there is not", frame("log", level=5, text="forged") + HEAD + DATA + END)
    for status in ("204 No Content", "304 Not Modified"):
        yield Forged(f"a body of {status}", response(status, PLAIN) + raw_frame("data", smuggled) + END, True)


FORGED = [*first_frames(), *heads(), *bodies()]
