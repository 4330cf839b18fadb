# SPDX-License-Identifier: Apache-2.0
"""Functions that Apache calls for authentication, groups and access, and the application behind them."""

import hashlib
import json
import os
import sys

import mod_wsgi

PASSWORDS = {"spy": "secret", "citizen": "secret", "alias": "secret"}
GROUPS = {"spy": ["secret-agents", b"bytes"], "citizen": ("people",), "canonical": iter(["secret-agents"])}
KEPT = []


def describe(environ, function):
    """The arguments that a script saw, as one line of the log."""
    plain = {key: value for key, value in environ.items() if isinstance(value, str)}
    plain["interpreter"] = mod_wsgi.application_group
    plain["server process"] = mod_wsgi.process_group == ""
    plain["function"] = function
    plain["errors"] = "wsgi.errors" in environ
    plain["request"] = type(environ.get("apache.request_rec")).__name__
    plain["versions"] = [environ["apache.version"], environ["mod_wsgi.version"]]
    plain["https"] = environ["mod_ssl.is_https"]()
    plain["protocol"] = environ["mod_ssl.var_lookup"]("SSL_PROTOCOL")
    print("saw " + json.dumps(plain), file=environ["wsgi.errors"])


def check_password(environ, user, password):
    describe(environ, "check_password")
    if user == "raises":
        raise LookupError("no such table")
    if user == "exits":
        sys.exit(password)
    if user == "number":
        return 1
    if user == "empty":
        return ""
    if user == "null":
        return "spy\0x"
    if user == "alias":
        return "canonical"
    if user not in PASSWORDS:
        return None
    return PASSWORDS[user] == password


def get_realm_hash(environ, user, realm):
    describe(environ, "get_realm_hash")
    if user == "number":
        return 1
    if user not in PASSWORDS:
        return None
    text = f"{user}:{realm}:{PASSWORDS[user]}".encode()
    digest = hashlib.md5(text).hexdigest()
    return digest.encode() if user == "citizen" else digest


def broken_groups():
    yield "secret-agents"
    raise LookupError("no more")


def groups_for_user(environ, user):
    describe(environ, "groups_for_user")
    if os.path.exists(os.path.join(os.path.dirname(__file__), "groups_break")):
        return broken_groups()
    return GROUPS.get(user, [])


def allow_access(environ, host):
    describe(environ, "allow_access")
    path = environ["SCRIPT_NAME"] + environ["PATH_INFO"]
    if path.endswith("/keep"):
        KEPT.append(environ)
    if path.endswith("/late"):
        return KEPT[0]["mod_ssl.is_https"]()
    if path.endswith("/raises"):
        raise LookupError("no such table")
    if path.endswith("/number"):
        return 1
    if path.endswith("/none"):
        return None
    if path.endswith("/host"):
        return host == "127.0.0.1"
    return not path.endswith("/deny")


def application(environ, start_response):
    body = json.dumps(
        {
            "user": environ.get("REMOTE_USER"),
            "type": environ.get("AUTH_TYPE"),
            "group": mod_wsgi.process_group,
        }
    ).encode()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [body]
