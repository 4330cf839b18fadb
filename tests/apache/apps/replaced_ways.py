# SPDX-License-Identifier: Apache-2.0
"""Replacements for objects of Python, and their places. Used by the application and by the tests."""

import builtins
import io
import sys
import threading
import traceback


class Shrinking(list):
    """A list that another thread empties as soon as it is made."""

    def __init__(self, items):
        super().__init__(items)
        threading.Thread(target=self.clear).start()

    def __len__(self):
        return 1 << 40

    def __iter__(self):
        raise RuntimeError("not to be iterated")


class LyingText(str):
    def __str__(self):
        return 5

    def encode(self, *_):
        return 5


class Endless:
    def __iter__(self):
        return self

    def __next__(self):
        return "x"

    def __getattr__(self, name):
        return Endless()

    def __call__(self, *_, **__):
        return Endless()


def give(value):
    return lambda *_, **__: value


def raise_base(*_, **__):
    raise BaseException("replaced")


def raise_exit(*_, **__):
    raise SystemExit(3)


def descend():
    return descend()


def recurse(*_, **__):
    # Recurses in another function, because Python 3.13 and 3.15 do not limit the depth of calls with variable arguments
    # once they have specialized them, and the process would take all memory of the machine.
    return descend()


def log_again(*_, **__):
    print("replaced", file=sys.stderr)
    sys.stderr.flush()
    return ["again\n"]


WAYS = {
    "none": give(None),
    "int": give(1 << 70),
    "tuple": give(("a", "b")),
    "list-of-other": give([None, 5, b"bytes", LyingText("text"), "\ud800", ["nested"]]),
    "shrinking": lambda *_, **__: Shrinking(["line\n"] * 1000),
    "text": give("no list"),
    "bytes": give(b"no text"),
    "endless": give(Endless()),
    "type": give(object),
    "base": raise_base,
    "exit": raise_exit,
    "recurse": recurse,
    "log": log_again,
    "not-callable": 5,
}

FUNCTIONS = {
    "format_exception": (traceback, "format_exception"),
    "format_stack": (traceback, "format_stack"),
    "import": (builtins, "__import__"),
    "compile": (builtins, "compile"),
    "open_code": (io, "open_code"),
    "FileIO": (io, "FileIO"),
    "BufferedReader": (io, "BufferedReader"),
    "switchinterval": (sys, "getswitchinterval"),
    "main_thread": (threading, "main_thread"),
}
MODULES = ("traceback", "io", "threading", "mod_wsgi", "builtins", "importlib", "atexit", "codecs", "encodings")
