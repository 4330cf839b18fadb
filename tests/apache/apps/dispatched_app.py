# SPDX-License-Identifier: Apache-2.0
"""Tells where it was served, and by which callable."""

import json

import mod_wsgi


def answer(name, environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    place = [mod_wsgi.process_group, mod_wsgi.application_group, name]
    keys = ["process_group", "application_group", "callable_object"]
    variables = [environ["mod_wsgi." + key] for key in keys]
    path = [environ["SCRIPT_NAME"], environ["PATH_INFO"], environ.get("HTTP_AUTHORIZATION")]
    return [json.dumps({"place": place, "variables": variables, "path": path}).encode()]


def application(environ, start_response):
    return answer("application", environ, start_response)


def other(environ, start_response):
    return answer("other", environ, start_response)


def bytes_callable(environ, start_response):
    return answer("bytes_callable", environ, start_response)


def handle_request(environ, start_response):
    return answer("handle_request", environ, start_response)
