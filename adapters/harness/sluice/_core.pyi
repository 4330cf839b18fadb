# SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterable
from typing import Literal

from sluice.metrics import ModWsgi

class Request:
    def finish(
        self,
        *,
        status: int = 200,
        server: int = 0,
        queue: int = 0,
        daemon: int = 0,
        application: int = 0,
        request: int = 0,
        input_read: int = 0,
        output_write: int = 0,
        gil_waits: Iterable[int] = (),
        cpu: int = 0,
        input_bytes: int = 0,
        input_reads: int = 0,
        output_bytes: int = 0,
        output_writes: int = 0,
    ) -> None: ...

class Host:
    def __init__(
        self,
        threads: int = 4,
        mode: Literal["embedded", "daemon"] = "embedded",
        external_reporter: bool = False,
        slow_requests: float | None = None,
    ) -> None: ...
    @property
    def mod_wsgi(self) -> ModWsgi: ...
    def advance_us(self, us: int) -> None: ...
    def begin(self, slot: int, *, method: str = "GET", path: str = "/") -> Request: ...
    def request(
        self,
        slot: int,
        *,
        status: int = 200,
        server: int = 0,
        queue: int = 0,
        daemon: int = 0,
        application: int = 0,
        request: int = 0,
        input_read: int = 0,
        output_write: int = 0,
        gil_waits: Iterable[int] = (),
        cpu: int = 0,
        input_bytes: int = 0,
        input_reads: int = 0,
        output_bytes: int = 0,
        output_writes: int = 0,
        method: str = "GET",
        path: str = "/",
    ) -> None: ...
