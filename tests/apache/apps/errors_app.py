# SPDX-License-Identifier: Apache-2.0
"""Fails in different ways, and writes to every stream that leads to the error log."""

import sys

import mod_wsgi


class FailingClose:
    def __iter__(self):
        return iter([b"body"])

    def close(self):
        raise RuntimeError("raised by close")


def ok(environ):
    return [b"ok"]


def raise_error(environ):
    return helper()


def helper():
    raise ValueError("raised by a helper")


def raise_chained(environ):
    try:
        helper()
    except ValueError as error:
        raise KeyError("raised while handling") from error


def exit_by_sys(environ):
    sys.exit("leaving now")


def exit_in_step(environ):
    yield b"before"
    raise SystemExit("leaving later")


def keyboard_interrupt(environ):
    raise KeyboardInterrupt("no keyboard here")


def request_timeout(environ):
    raise mod_wsgi.RequestTimeout("too slow")


def exit_in_close(environ):
    class Exiting(FailingClose):
        def close(self):
            sys.exit("leaving from close")

    return Exiting()


def fail_in_close(environ):
    return FailingClose()


def unprintable(environ):
    class Unprintable(Exception):
        def __str__(self):
            raise RuntimeError("raised by __str__")

    raise Unprintable


def streams(environ):
    print("said to stdout")
    print("said to stderr", file=sys.stderr)
    errors = environ["wsgi.errors"]
    errors.write("said to wsgi.errors\n")
    errors.writelines(["said by writelines one\n", "said by writelines two\n"])
    errors.buffer.write(b"said as bytes\n")
    errors.buffer.write(bytearray(b"said as bytearray\n"))
    errors.buffer.write(memoryview(b"said as memoryview\n"))
    errors.flush()
    errors.write("said without an end of line")
    return [b"ok"]


def awkward_text(environ):
    errors = environ["wsgi.errors"]
    errors.write("first line\nsecond line\n")
    errors.write("caf\u00e9 \u65e5\u672c\n")
    errors.write("percent %s %n %d\n")
    errors.write("long " + "x" * 20_000 + " end of long\n")
    return [b"ok"]


ROUTES = {
    "/ok": ok,
    "/raise": raise_error,
    "/raise-chained": raise_chained,
    "/exit": exit_by_sys,
    "/exit-in-step": exit_in_step,
    "/keyboard-interrupt": keyboard_interrupt,
    "/request-timeout": request_timeout,
    "/exit-in-close": exit_in_close,
    "/fail-in-close": fail_in_close,
    "/unprintable": unprintable,
    "/streams": streams,
    "/awkward-text": awkward_text,
}


def application(environ, start_response):
    body = ROUTES[environ["PATH_INFO"]](environ)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return body
