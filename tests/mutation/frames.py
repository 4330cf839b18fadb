# SPDX-License-Identifier: Apache-2.0
"""Frames of HTTP/2 (RFC 9113), written and read byte by byte, whatever they say."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import time
from dataclasses import dataclass, field

import hpack

from .exchange import Answer, Desync

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS, PADDED, PRIORITIZED, ACK = 0x1, 0x4, 0x8, 0x20, 0x1
INITIAL_WINDOW, WIDE = 4, 1 << 24
FRAME_LIMIT = 16_384

Fields = list[tuple[str, str]]


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream & 0xFFFFFFFF) + payload


def opening() -> bytes:
    """The preface of a client, with flow-control windows so large that no response waits for the client."""
    settings = struct.pack(">HI", INITIAL_WINDOW, WIDE)
    window = struct.pack(">I", WIDE)
    return PREFACE + frame(SETTINGS, 0, 0, settings) + frame(WINDOW_UPDATE, 0, 0, window)


@dataclass
class StreamState:
    answer: Answer | None = None
    ended: bool = False
    reset: bool = False


@dataclass
class Connection:
    """Reads frames of the server until something has come, and keeps what belongs to each stream."""

    socket: socket.socket
    decoder: hpack.Decoder = field(default_factory=hpack.Decoder)
    streams: dict[int, StreamState] = field(default_factory=dict)
    gone: bool = False
    """The server has said that it ends, or the connection has ended."""
    _received: bytes = b""
    _block: bytes = b""

    def __post_init__(self) -> None:
        self.decoder.max_allowed_table_size = 1 << 16

    def send(self, data: bytes) -> None:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            self.socket.sendall(data)

    def stream(self, number: int) -> StreamState:
        return self.streams.setdefault(number, StreamState())

    def read_until_ended(self, numbers: list[int], seconds: float) -> bool:
        """False if the server did not end these streams in time; the end of the connection ends all."""
        deadline = time.monotonic() + seconds
        while not self.gone and not all(self.stream(n).ended for n in numbers):
            self.socket.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                data = self.socket.recv(1 << 16)
            except TimeoutError:
                return False
            except (ConnectionError, ssl.SSLError):
                data = b""
            if not data:
                self.gone = True
            self._received += data
            self._take_frames()
        return True

    def _take_frames(self) -> None:
        while len(self._received) >= 9:
            size = int.from_bytes(self._received[:3], "big")
            if size > FRAME_LIMIT:
                raise Desync(f"a frame of {size} bytes: {self._received[:100]!r}")
            if len(self._received) < 9 + size:
                return
            kind, flags, stream = struct.unpack(">BBI", self._received[3:9])
            payload, self._received = self._received[9 : 9 + size], self._received[9 + size :]
            self._take_frame(kind, flags, stream, payload)

    def _take_frame(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        if kind > CONTINUATION or kind == PUSH_PROMISE:
            raise Desync(f"a frame of the type {kind}")
        if kind == SETTINGS and not flags & ACK:
            self.send(frame(SETTINGS, ACK, 0))
        elif kind == GOAWAY:
            self.gone = self.gone or struct.unpack(">I", payload[4:8])[0] != 0
        elif kind in (HEADERS, CONTINUATION):
            self._block = payload if kind == HEADERS else self._block + payload
            if flags & END_HEADERS:
                self._take_head(self.stream(number))
            if kind == HEADERS and flags & END_STREAM:
                self.stream(number).ended = True
        elif kind == DATA:
            self._take_data(self.stream(number), flags, payload)
        elif kind == RST_STREAM:
            self.stream(number).reset = self.stream(number).ended = True

    def _take_head(self, state: StreamState) -> None:
        try:
            decoded = self.decoder.decode(self._block, raw=True)
        except hpack.HPACKError as error:
            raise Desync(f"a head that cannot be decoded: {error!r}") from error
        fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in decoded]
        if state.answer is None or 100 <= state.answer.status < 200:
            status = [value for name, value in fields if name == ":status"]
            if len(status) != 1:
                raise Desync(f"a head without a status: {fields}")
            state.answer = Answer(int(status[0]), fields)

    @staticmethod
    def _take_data(state: StreamState, flags: int, payload: bytes) -> None:
        if state.answer is None or state.ended:
            raise Desync("data outside of an answer")
        if flags & PADDED:
            payload = payload[1 : len(payload) - payload[0]]
        state.answer.body += payload
        state.ended = bool(flags & END_STREAM)
