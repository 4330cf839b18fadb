# SPDX-License-Identifier: Apache-2.0
"""A host for tests: the module ``mod_wsgi`` without a server, with a clock that the test moves.

>>> from sluice.testing import Host
>>> host = Host(threads=2)
>>> host.mod_wsgi.start_recording_metrics()
>>> request = host.begin(1)
>>> host.advance_us(250_000)
>>> request.finish(status=200, application=200_000, request=250_000)
>>> window = host.mod_wsgi.request_metrics()
>>> window["request_count"], window["request_threads_busy_time"]
(1, [0.25, 0.0])

Measurements are keyword arguments of ``finish()`` and ``request()``; what is left out is 0, the status 200:

    status              status of the response; 0: the application started none
    server, queue, daemon, application, request, input_read, output_write
                        durations of the phases, in microseconds; queue and daemon with mode="daemon" only
    gil_waits           the single waits for the GIL, a list of microseconds
    cpu                 CPU time, in microseconds
    input_bytes, input_reads, output_bytes, output_writes

Busy time is that between ``begin()`` and ``finish()`` by the clock. ``Host(mode="daemon")`` is a daemon process,
``Host(external_reporter=True)`` one with a telemetry service, and ``Host(slow_requests=SECONDS)`` one with WSGISlowRequests.
"""

from sluice._core import Host, Request

__all__ = ["Host", "Request"]
