# SPDX-License-Identifier: Apache-2.0
"""Notes what auditing tells of the scripts that are loaded after this one."""

import sys

seen = []


def hook(event, args):
    if event in ("open", "compile") and any("hello.py" in str(arg) for arg in args):
        seen.append(event)


sys.addaudithook(hook)


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [" ".join(seen).encode()]
