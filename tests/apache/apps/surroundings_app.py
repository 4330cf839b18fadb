# SPDX-License-Identifier: Apache-2.0
"""Tells as JSON what is around the process: its user, directory, environment, limits and Python."""

import ctypes
import json
import os
import resource
import subprocess
import sys
import warnings


def of_child():
    """The surroundings that a process sees which the application starts."""
    code = "import os, json; print(json.dumps([os.environ.get('HOME'), os.getcwd()]))"
    shown = subprocess.run(["/usr/bin/python3", "-c", code], capture_output=True, check=True)
    return json.loads(shown.stdout)


def stack_size():
    """The size of the stack of this thread."""
    library = ctypes.CDLL(None)
    library.pthread_self.restype = ctypes.c_ulong
    attributes, size = ctypes.create_string_buffer(256), ctypes.c_size_t()
    library.pthread_getattr_np(ctypes.c_ulong(library.pthread_self()), attributes)
    library.pthread_attr_getstacksize(attributes, ctypes.byref(size))
    library.pthread_attr_destroy(attributes)
    return size.value


def limit_of(what):
    """None without a limit, for which Python has another number from 3.15 on."""
    limit = resource.getrlimit(what)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def facts():
    return {
        "pid": os.getpid(),
        "uid": os.getuid(),
        "gid": os.getgid(),
        "groups": sorted(os.getgroups()),
        "home": os.environ.get("HOME"),
        "tilde": os.path.expanduser("~"),
        "directory": os.getcwd(),
        "child": of_child() if os.getenv("HOME") else None,
        "variables": {
            name: os.environ.get(name) for name in ("LANG", "LC_ALL", "PYTHON_EGG_CACHE", "USER", "USERNAME", "LOGNAME")
        },
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
        "limits": [limit_of(resource.RLIMIT_DATA), limit_of(resource.RLIMIT_AS)],
        "path": sys.path,
        "prefix": sys.prefix,
        "stack": stack_size(),
        "optimize": sys.flags.optimize,
        "bytecode": not sys.dont_write_bytecode,
        "hash": hash("sluice"),
        "warnings": [str(entry[0]) + ":" + entry[2].__name__ for entry in warnings.filters],
        "interval": sys.getswitchinterval(),
        "encoding": sys.getfilesystemencoding(),
    }


def application(environ, start_response):
    body = json.dumps(facts()).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
