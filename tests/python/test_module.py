# SPDX-License-Identifier: Apache-2.0
"""The functions of the module mod_wsgi: their arguments, what they return, and what help() says."""

from __future__ import annotations

import re

import pytest
from sluice.testing import Host

from .specification import DAEMON_PHASES, PHASES, PROCESS_KINDS, REQUEST_KINDS, THREAD_KINDS
from .support import drain

WITHOUT_ARGUMENTS = [
    "start_recording_metrics",
    "request_metrics",
    "process_metrics",
    "server_metrics",
]
SUBSCRIBING = ["subscribe_events", "subscribe_shutdown", "subscribe_signals"]
WORDS = {
    "int": "int",
    "float": "float",
    "ints": "list of int",
    "floats": "list of float",
    "dicts": "list of dict",
}


@pytest.mark.parametrize("name", WITHOUT_ARGUMENTS)
def test_functions_without_arguments_take_none(host: Host, name: str) -> None:
    function = getattr(host.mod_wsgi, name)
    host.request(1)
    with pytest.raises(TypeError):
        function(1)
    with pytest.raises(TypeError):
        function(None)
    with pytest.raises(TypeError):
        function(interval=1)
    assert drain(host)["request_count"] == 1


def test_a_wrong_call_does_not_start_recording() -> None:
    host = Host()
    with pytest.raises(TypeError):
        host.mod_wsgi.start_recording_metrics(True)
    assert host.mod_wsgi.request_metrics() is None


@pytest.mark.parametrize("name", SUBSCRIBING)
def test_subscribing_returns_its_argument_so_that_it_decorates(host: Host, name: str) -> None:
    subscribe = getattr(host.mod_wsgi, name)

    @subscribe
    def function(name: str, **event: object) -> None: ...

    class Callable:
        def __call__(self, name: str, **event: object) -> None: ...

    instance = Callable()
    assert function.__name__ == "function"
    assert subscribe(function) is function
    assert subscribe(instance) is instance
    assert subscribe(print) is print


@pytest.mark.parametrize("name", SUBSCRIBING)
@pytest.mark.parametrize("callback", [None, 1, "print", [print], object()])
def test_what_cannot_be_called_is_refused(host: Host, name: str, callback: object) -> None:
    with pytest.raises(TypeError, match=type(callback).__name__):
        getattr(host.mod_wsgi, name)(callback)


@pytest.mark.parametrize("name", SUBSCRIBING)
def test_subscribing_takes_one_argument_by_position(host: Host, name: str) -> None:
    subscribe = getattr(host.mod_wsgi, name)
    for positional, named in (((), {}), ((print, print), {}), ((), {"callback": print})):
        with pytest.raises(TypeError):
            subscribe(*positional, **named)


@pytest.mark.parametrize("name", SUBSCRIBING)
def test_subscribing_works_before_recording_and_beside_an_external_reporter(name: str) -> None:
    for host in (Host(), Host(external_reporter=True)):
        assert getattr(host.mod_wsgi, name)(print) is print


def test_subscribers_are_called_by_their_host_only(host: Host) -> None:
    calls = []
    host.mod_wsgi.subscribe_events(lambda name, **event: calls.append(name))
    host.mod_wsgi.subscribe_shutdown(lambda name, **event: calls.append(name))
    host.request(1)
    host.advance_us(1_000)
    drain(host)
    assert calls == []


@pytest.mark.parametrize("name", [*WITHOUT_ARGUMENTS, *SUBSCRIBING])
def test_every_function_is_documented_with_its_signature(host: Host, name: str) -> None:
    function = getattr(host.mod_wsgi, name)
    assert len(function.__doc__) > 40
    assert function.__text_signature__ == ("(callback, /)" if name in SUBSCRIBING else "()")
    assert function.__name__ == name


def test_the_module_and_its_exception_are_documented(host: Host) -> None:
    assert host.mod_wsgi.__doc__
    assert host.mod_wsgi.RequestTimeout.__doc__


def described(text: str) -> dict[str, str]:
    return dict(re.findall(r"^  (\w+): (.*)$", text, re.MULTILINE))


def test_the_docstring_of_request_metrics_lists_every_key_with_its_type(host: Host) -> None:
    lines = described(host.mod_wsgi.request_metrics.__doc__)
    assert list(lines) == list(REQUEST_KINDS)
    for key, kind in REQUEST_KINDS.items():
        assert re.split("[,;]", lines[key])[0] == WORDS[kind.split(" or ")[0]], key
        assert ("None" in lines[key]) == kind.endswith("or None"), key
        assert ("microseconds" in lines[key]) == key.endswith("_us"), key
    for name in PHASES:
        assert ("embedded mode" in lines[f"{name}_time_buckets"]) == (name in DAEMON_PHASES)


def test_the_docstring_of_process_metrics_lists_every_key_with_its_type(host: Host) -> None:
    text = host.mod_wsgi.process_metrics.__doc__
    lines = described(text)
    assert list(lines) == list(PROCESS_KINDS)
    for key, kind in PROCESS_KINDS.items():
        assert re.split("[,;]", lines[key])[0] == WORDS[kind], key
    assert all(key in text for key in THREAD_KINDS)


@pytest.mark.parametrize("name", ["request_metrics", "process_metrics"])
def test_docstrings_say_when_an_accessor_gives_none(host: Host, name: str) -> None:
    text = " ".join(getattr(host.mod_wsgi, name).__doc__.split())
    assert "Return None before start_recording_metrics()" in text
    assert "external reporter" in text
