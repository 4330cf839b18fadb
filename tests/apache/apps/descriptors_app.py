# SPDX-License-Identifier: Apache-2.0
"""Opens a file when its process has no descriptor left, which it may again after the request."""

import os
import resource


def fail_without_descriptors():
    held = []
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, limits[1]))
    try:
        while True:
            held.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        pass
    return held, limits


class Response:
    """Fails for the lack of descriptors, which exist again when the server has logged that."""

    def __iter__(self):
        self.held, self.limits = fail_without_descriptors()
        open("/dev/zero")

    def __del__(self):
        for descriptor in self.held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, self.limits)


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return Response() if environ["PATH_INFO"] == "/fail" else [b"fine"]
