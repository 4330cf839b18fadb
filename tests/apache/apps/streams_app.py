# SPDX-License-Identifier: Apache-2.0
"""Tells what the streams of an application do."""

import io
import json
import sys


def outcome(action):
    try:
        return repr(action())
    except (io.UnsupportedOperation, OSError, AttributeError) as error:
        return f"{type(error).__name__}: {error}"


def application(environ, start_response):
    streams = {"stdout": sys.stdout, "stderr": sys.stderr, "errors": environ["wsgi.errors"]}
    told = {name: outcome(stream.fileno) for name, stream in streams.items()} if "fileno" in environ["PATH_INFO"] else {}
    if "all" in environ["PATH_INFO"]:
        for name, stream in streams.items():
            for method in ("fileno", "read", "readline", "tell", "truncate", "isatty", "seekable", "readable", "writable"):
                told[f"{name}.{method}"] = outcome(getattr(stream, method))
                told[f"{name}.buffer.{method}"] = outcome(getattr(stream.buffer, method))
    told["print"] = outcome(lambda: print("printed"))
    told["stdin"] = outcome(lambda: sys.stdin.read())
    told["request"] = type(environ.get("apache.request_rec")).__name__
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(told).encode()]
