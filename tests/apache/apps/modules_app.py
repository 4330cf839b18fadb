# SPDX-License-Identifier: Apache-2.0
"""Answers with what the modules of the server have, and logs through LogHandler."""

import importlib
import json
import logging
import threading

import apache
import mod_wsgi

LEVELS = {"CRITICAL": 50, "ERROR": 40, "WARNING": 30, "INFO": 20, "DEBUG": 10, "NOTICE": 25, "TRACE": 5}
formatted = []


class Counting(logging.Formatter):
    def format(self, record):
        formatted.append(record.levelno)
        return super().format(record)


def logger(name, level=1):
    result = logging.getLogger(name)
    if not result.handlers:
        handler = mod_wsgi.LogHandler()
        handler.setFormatter(Counting("%(name)s says %(message)s"))
        result.addHandler(handler)
        result.propagate = False
        result.setLevel(level)
    return result


def attributes(module, names):
    return {name: getattr(module, name, "missing") for name in names}


def about_apache():
    names = ["version", "maximum_processes", "threads_per_process", "description", "mpm_name", "build_date"]
    return attributes(apache, names)


def about_module():
    timeout = mod_wsgi.RequestTimeout
    return {
        "timeout": [base.__name__ for base in timeout.__mro__],
        "handler": issubclass(mod_wsgi.LogHandler, logging.Handler),
        "same": mod_wsgi.LogHandler is mod_wsgi.LogHandler,
        "missing": hasattr(mod_wsgi, "no_such_name"),
        "package": hasattr(mod_wsgi, "__path__"),
    }


def log_levels():
    del formatted[:]
    for name, level in LEVELS.items():
        logger("levels").log(level, "%s", name)
    return formatted


def log_lines():
    try:
        raise LookupError("one\ntwo \udc80 \x1b[31m")
    except LookupError:
        logger("lines").exception("first\nsecond")


def log_much():
    logged = logger("much")
    for _ in range(20_000):
        logged.debug("x" * 1_000)
    logged.error("the end")


def log_badly():
    logger("bad").info("%d", "not a number")


def log_elsewhere():
    thread = threading.Thread(target=logger("thread").warning, args=["apart"])
    thread.start()
    thread.join()


def active(environ):
    requests = mod_wsgi.active_requests
    before = list(requests)
    mod_wsgi.request_data()["mark"] = "here"
    return {
        "id": environ.get("mod_wsgi.request_id"),
        "before": before,
        "data": list(requests.values()),
        "same": mod_wsgi.active_requests is requests,
    }


def imported(names):
    """The attribute `mark` of each module, or the error of its import."""
    marks = {}
    for name in names.split(","):
        try:
            marks[name] = getattr(importlib.import_module(name), "mark", None)
        except ImportError as error:
            marks[name] = type(error).__name__
    return marks


def wrapped(environ):
    wrapper = mod_wsgi.FileWrapper
    return {"same": wrapper is environ["wsgi.file_wrapper"], "name": wrapper.__module__}


def answer(environ):
    name, _, argument = environ["PATH_INFO"][1:].partition("/")
    if name == "active":
        return active(environ)
    if name == "wrapped":
        return wrapped(environ)
    if name == "import":
        return imported(argument)
    return globals()[name]()


def application(environ, start_response):
    body = json.dumps(answer(environ)).encode()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [body]
