# SPDX-License-Identifier: Apache-2.0
"""Sends a case of HTTP/2, reads what comes back, and judges it."""

from __future__ import annotations

import contextlib
import itertools

from .exchange import DEADLINE_SECONDS, Connect, Desync, check_marker
from .frames import END_HEADERS, END_STREAM, HEADERS, Connection, frame, opening
from .grammar import EVIL
from .grammar2 import Case2, Exchange, block_of

QUIET_SECONDS = 1.0
_markers = itertools.count(1)


def run2(connect: Connect, case: Case2) -> None:
    """Raises Desync, with the frames that were sent, when an answer is wrong."""
    try:
        with contextlib.closing(connect()) as socket:
            connection = Connection(socket)
            connection.send(opening() + b"".join(case.frames))
            if case.breaks_off:
                return
            marked = send_marker(connection, case.next_stream)
            if case.certain:
                judge_certain(connection, case)
                finish_marker(connection, case.next_stream, marked, DEADLINE_SECONDS)
            else:
                judge_mutated(connection, case, marked)
        check_new_connection(connect)
    except (Desync, TimeoutError, ValueError) as error:
        raise Desync(f"{error!r}\n{case.describe()}") from error


def send_marker(connection: Connection, stream: int) -> str:
    identity = f"marker2-{next(_markers)}"
    fields = [(":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", f"/?id={identity}")]
    connection.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, block_of(fields)))
    return identity


def finish_marker(connection: Connection, stream: int, identity: str, seconds: float) -> None:
    if not connection.read_until_ended([stream], seconds):
        raise Desync(f"the marker {identity} has no answer")
    answer = connection.stream(stream).answer
    if answer is None:
        raise Desync(f"the connection ended without an answer to the marker {identity}")
    check_marker(answer, identity)


def judge_certain(connection: Connection, case: Case2) -> None:
    """Each stream gets its own answer, whole."""
    if not connection.read_until_ended([exchange.stream for exchange in case.exchanges], DEADLINE_SECONDS):
        raise Desync("a stream does not end")
    for exchange in case.exchanges:
        state = connection.stream(exchange.stream)
        if state.answer is None and not exchange.may_break_off:
            raise Desync(f"the request {exchange.id} has no answer")
        if state.reset and not exchange.may_break_off and state.answer is not None and state.answer.id is None:
            raise Desync(f"the answer of {exchange.id} broke off")
        check_stream(connection, exchange)


def check_stream(connection: Connection, exchange: Exchange) -> None:
    """The response on a stream belongs to its request."""
    answer = connection.stream(exchange.stream).answer
    if answer is None or answer.id is None:
        return
    if answer.id != exchange.id:
        raise Desync(f"the request {exchange.id} got the answer of {answer.id}")
    method = dict(exchange.fields).get(":method")
    line = f"id {exchange.id}\n".encode()
    if answer.body and not line.startswith(answer.body[: len(line)]):
        raise Desync(f"the body of {exchange.id} is {answer.body[:100]!r}")
    if method == "HEAD" and answer.body:
        raise Desync(f"HEAD {exchange.id} got a body")


def judge_mutated(connection: Connection, case: Case2, marked: str) -> None:
    """The marker gets its own answer or none; no stream gets that of another request."""
    connection.read_until_ended([case.next_stream], QUIET_SECONDS)
    state = connection.stream(case.next_stream)
    if state.answer is not None and state.answer.status == 200 and state.ended and not state.reset:
        check_marker(state.answer, marked)
    exchanges = {exchange.stream: exchange for exchange in case.exchanges}
    for number, state in connection.streams.items():
        if number == case.next_stream or state.answer is None or state.answer.id is None:
            continue
        if case.mutation != "flipped" and number in exchanges and not state.answer.id.startswith(EVIL):
            check_stream(connection, exchanges[number])
        if state.answer.id == marked:
            raise Desync(f"the marker's answer came on the stream {number}")


def check_new_connection(connect: Connect) -> None:
    with contextlib.closing(connect()) as socket:
        connection = Connection(socket)
        connection.send(opening())
        finish_marker(connection, 1, send_marker(connection, 1), DEADLINE_SECONDS)
