# SPDX-License-Identifier: Apache-2.0
"""Libraries with extension modules, in the main interpreter and in another one.

Not every library can be used in a sub-interpreter. There it must do whatever it does with mod_wsgi.
"""

from __future__ import annotations

from typing import Any

import pytest
from apache.httpd import Httpd, StartHttpd

from .site import MODES, SCRIPTS, packages

RESULTS: dict[str, Any] = {
    "numpy": [-5.0, 561.0],
    "pandas": {"a": 3, "b": 7},
    "lxml": [["1", "2"], "3"],
    "psycopg2": [True, "ARRAY[1,2.5,true]"],
    "cryptography": ["secret", "77eda2ba7ccdc2211b9bc84cdaaa11d270154400"],
    "pydantic": [{"x": 3, "y": 0.5}, ["int_parsing"]],
    "pillow": [[20, 10], [255, 0, 0]],
}
GROUPS = {"main": "%{GLOBAL}", "sub": "other"}


def lines(mode: str, group: str) -> list[str]:
    return [
        f"WSGIDaemonProcess site threads=4 python-path={packages()}",
        f"WSGIPythonPath {packages()}",
        f"WSGIProcessGroup {'%{GLOBAL}' if mode == 'embedded' else 'site'}",
        f"WSGIApplicationGroup {GROUPS[group]}",
        f"WSGIScriptAlias / {SCRIPTS}/libraries.py",
    ]


def outcomes(server: Httpd) -> dict[str, Any]:
    """Each library twice, since a second use can differ from the first."""
    return {name: [server.get(f"/{name}").json() for _ in range(2)] for name in RESULTS}


@pytest.mark.parametrize("mode", MODES)
def test_libraries_work_in_the_main_interpreter(start_httpd: StartHttpd, mode: str) -> None:
    by_library = outcomes(start_httpd(*lines(mode, "main")))
    assert by_library == {name: [{"result": result}] * 2 for name, result in RESULTS.items()}


@pytest.mark.parametrize("mode", MODES)
def test_libraries_do_in_a_sub_interpreter_what_they_do_with_mod_wsgi(start_httpd: StartHttpd, mode: str) -> None:
    module = next((packages() / "mod_wsgi/server").glob("mod_wsgi-py3*.so"))
    load = f"LoadModule wsgi_module {module}"
    reference = outcomes(start_httpd(load, *lines(mode, "sub"), load_wsgi=False))
    assert outcomes(start_httpd(*lines(mode, "sub"))) == reference
    working = {name for name, both in reference.items() if all("result" in outcome for outcome in both)}
    assert {"lxml", "psycopg2", "pillow"} <= working
