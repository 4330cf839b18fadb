# SPDX-License-Identifier: Apache-2.0
"""A socket of the test in place of the service. The decoder of the service reads its datagrams."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from mod_wsgi.telemetry.wire import Sample, decode

LARGEST = 1 << 16


class Receiver:
    def __init__(self, path: Path, mode: int = 0o666) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        os.chmod(path, mode)
        self._path = path

    def waiting(self) -> list[Sample]:
        """The datagrams in the queue, decoded. Fails if the decoder rejects one."""
        samples = []
        while True:
            try:
                samples.append(decode(self._socket.recv(LARGEST, socket.MSG_DONTWAIT)))
            except BlockingIOError:
                return samples

    def close(self) -> None:
        self._socket.close()
        self._path.unlink(missing_ok=True)
