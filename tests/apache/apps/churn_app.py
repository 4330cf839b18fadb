# SPDX-License-Identifier: Apache-2.0
"""Calls everything of the module from threads old and new, and from interpreters that it makes and ends."""

import importlib
import sys
import threading

import mod_wsgi

mod_wsgi.start_recording_metrics()

REFUSED = """
import mod_wsgi
for call in (mod_wsgi.request_metrics, mod_wsgi.process_metrics, mod_wsgi.start_recording_metrics):
    try:
        call()
    except RuntimeError:
        pass
    else:
        raise AssertionError("a module that nobody bound works")
"""


def ignore(name, **event):
    pass


def calls():
    sys.modules.pop("mod_wsgi", None)
    sys.modules["mod_wsgi"] = mod_wsgi
    module = importlib.import_module("mod_wsgi")
    assert module.request_metrics() is not None
    assert module.process_metrics() is not None
    module.server_metrics()
    for subscribe in (module.subscribe_events, module.subscribe_shutdown, module.subscribe_signals):
        subscribe(ignore)


def in_threads(number):
    failures = []

    def run():
        try:
            calls()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures


def own_interpreter():
    try:
        import _interpreters as interpreters  # from Python 3.13 on
    except ImportError:
        import _xxsubinterpreters as interpreters

    interpreter = interpreters.create()
    try:
        failure = interpreters.run_string(interpreter, REFUSED)  # raises it before Python 3.13
        assert failure is None, failure.formatted
    finally:
        interpreters.destroy(interpreter)


def application(environ, start_response):
    if environ["PATH_INFO"] == "/interpreter":
        own_interpreter()
    else:
        calls()
        in_threads(2)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"done"]
