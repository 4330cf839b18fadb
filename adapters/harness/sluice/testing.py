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
"""

from sluice._core import Host, Request

__all__ = ["Host", "Request"]
