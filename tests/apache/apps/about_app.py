# SPDX-License-Identifier: Apache-2.0
"""Describes, as JSON, the interpreter that serves the request."""

import json
import os
import sys

import mod_wsgi


def answer(name, environ, start_response):
    about = {
        "callable": name,
        "script": __file__,
        "application_group": mod_wsgi.application_group,
        "process_group": mod_wsgi.process_group,
        "authorization": environ.get("HTTP_AUTHORIZATION"),
        "script_name": environ["SCRIPT_NAME"],
        "path_info": environ["PATH_INFO"],
        "pid": os.getpid(),
        "path": sys.path,
        "prefix": sys.prefix,
        "optimize": sys.flags.optimize,
        "asserts": asserts_run(),
        "documented": asserts_run.__doc__ is not None,
        "server_metrics": repr(mod_wsgi.server_metrics()),
    }
    body = json.dumps(about).encode("ascii")
    start_response(
        "200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    )
    return [body]


def asserts_run():
    """True when assert statements are kept."""
    try:
        assert False  # noqa: B011
    except AssertionError:
        return True
    return False


def application(environ, start_response):
    return answer("application", environ, start_response)


def other(environ, start_response):
    return answer("other", environ, start_response)
