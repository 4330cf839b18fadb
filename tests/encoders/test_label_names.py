# SPDX-License-Identifier: Apache-2.0
"""Labels whose names differ, and which a format writes alike: the first is written, and it alone."""

from __future__ import annotations

import re

import pytest

from .conftest import encode


@pytest.mark.parametrize(
    "form, first, second, written",
    [
        ("openmetrics", "a-b", "a.b", b'a_b="1"'),
        ("prometheus", "a-b", "a.b", b'a_b="1"'),
        ("prometheus", "_x", "__x", b'_x="1"'),
        ("influx", "a b", "a\tb", b"a\\ b=1"),
        ("influx", "a/b", "a\\b", b"a/b=1"),
        ("dogstatsd", "a,b", "a|b", b"a_b:1"),
        ("dogstatsd", "a@b", "a:b", b"a_b:1"),
    ],
)
def test_the_later_of_two_names_that_are_written_alike_is_left_out(
    form: str, first: str, second: str, written: bytes
) -> None:
    output = encode(form, [{"status": 200}], labels={first: "1", second: "2"})
    name = re.split(rb"[=:]", written)[0]
    assert written in output
    samples = [line for line in output.replace(b"\0", b"\n").split(b"\n") if line and not line.startswith(b"#")]
    assert all(line.count(name) == 1 for line in samples)
