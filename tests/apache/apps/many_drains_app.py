# SPDX-License-Identifier: Apache-2.0
"""Three threads drain the metrics of one process."""

import reporter

reporter.start(threads=3)


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]
