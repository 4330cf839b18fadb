# SPDX-License-Identifier: Apache-2.0
"""Keeps the events of the process and shows them."""

import json

import mod_wsgi

seen = []
returned = []


def simple(value):
    """The part of a payload that JSON can represent."""
    if isinstance(value, (str, int, float, type(None))):
        return value
    return type(value).__name__


@mod_wsgi.subscribe_events
def first(name, **event):
    data = event.get("request_data", {})
    if name == "request_started":
        data["noted"] = "by a subscriber"
        data["path"] = event["request_environ"]["PATH_INFO"]
    payload = {key: simple(value) for key, value in event.items()}
    seen.append(["first", name, {**payload, "path": data.get("path")}])


@mod_wsgi.subscribe_events
def second(name, **event):
    seen.append(["second", name, {}])


def third(name, **event):
    raise RuntimeError("raised by a subscriber")


def wrapping(name, **event):
    if name == "request_started" and event["request_environ"]["PATH_INFO"] == "/wrapped":
        return {"application_object": wrapper}
    if name == "request_started" and event["request_environ"]["PATH_INFO"] == "/misfit":
        return {"note": "is no argument", 5: "either"}


def last(name, **event):
    seen.append(["last", name, {"path": event["request_data"]["path"], "note": event.get("note")}])


def wrapper(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"wrapped"]


returned.append(mod_wsgi.subscribe_events(third) is third)
returned.append(mod_wsgi.subscribe_events(wrapping) is wrapping)
mod_wsgi.subscribe_events(last)
returned.append(mod_wsgi.subscribe_shutdown(third) is third)


def refused():
    """The types of the errors that wrong arguments raise."""
    errors = []
    for function in (mod_wsgi.subscribe_events, mod_wsgi.subscribe_shutdown):
        for arguments in ((), (third, third), ("third",)):
            try:
                function(*arguments)
                errors.append(None)
            except TypeError as error:
                errors.append(type(error).__name__)
    return errors


def removed():
    """The names of the subscribers, before one of them is removed by the list that has them."""
    names = [[callback.__name__ for callback in callbacks] for callbacks in LISTS]
    mod_wsgi.event_callbacks.remove(second)
    return names


LISTS = [mod_wsgi.event_callbacks, mod_wsgi.shutdown_callbacks, mod_wsgi.signal_callbacks]


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/raise":
        raise LookupError("as asked")
    answers = {
        "/seen": lambda: seen,
        "/returned": lambda: returned,
        "/refused": refused,
        "/removed": removed,
        "/data": lambda: mod_wsgi.request_data().get("noted"),
    }
    answer = answers.get(path, lambda: path)()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(answer).encode("ascii")]
