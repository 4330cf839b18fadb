# SPDX-License-Identifier: Apache-2.0
"""An application that attacks: the path of a request names the attack, its query the arguments; the answer is a report."""

import json
from urllib.parse import parse_qsl

import memory_attacks
import parent_attacks
import process_attacks

ATTACKS = {**memory_attacks.ATTACKS, **parent_attacks.ATTACKS, **process_attacks.ATTACKS}


def application(environ, start_response):
    attack = ATTACKS[environ["PATH_INFO"].strip("/") or "nothing"]
    body = json.dumps(attack(dict(parse_qsl(environ["QUERY_STRING"]))).as_json()).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
