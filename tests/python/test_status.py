# SPDX-License-Identifier: Apache-2.0
"""Response classes."""

from __future__ import annotations

import pytest
from sluice.testing import Host

from .specification import STATUS_CLASSES
from .support import drain

CLASS_OF = {
    100: "status_1xx",
    101: "status_1xx",
    199: "status_1xx",
    200: "status_2xx",
    299: "status_2xx",
    300: "status_3xx",
    304: "status_3xx",
    399: "status_3xx",
    400: "status_4xx",
    499: "status_4xx",
    500: "status_5xx",
    599: "status_5xx",
    # The request never called start_response, or the status is none of HTTP.
    0: "status_5xx",
    1: "status_5xx",
    99: "status_5xx",
    600: "status_5xx",
    999: "status_5xx",
    1000: "status_5xx",
    -1: "status_5xx",
    -200: "status_5xx",
    2**31 - 1: "status_5xx",
    2**31: "status_5xx",
    2**32 + 200: "status_5xx",
    -(2**31): "status_5xx",
    2**63: "status_5xx",
    2**64 + 200: "status_5xx",
    -(10**30): "status_5xx",
}


def classes(window: dict[str, int]) -> list[int]:
    return [window[key] for key in STATUS_CLASSES]


@pytest.mark.parametrize("status", CLASS_OF)
def test_a_status_counts_in_its_class_and_in_no_other(host: Host, status: int) -> None:
    host.request(1, status=status)
    expected = [int(key == CLASS_OF[status]) for key in STATUS_CLASSES]
    assert classes(drain(host)) == expected


def test_a_request_of_which_no_status_is_said_was_answered_with_200(host: Host) -> None:
    host.request(1)
    host.begin(2).finish()
    assert classes(drain(host)) == [0, 2, 0, 0, 0]


def test_classes_add_up_over_slots_and_begin_anew_in_each_window(host: Host) -> None:
    for number, status in enumerate(range(-50, 700, 50)):
        host.request(1 + number % 4, status=status)
    assert classes(drain(host)) == [2, 2, 2, 2, 7]
    host.request(1, status=301)
    assert classes(drain(host)) == [0, 0, 1, 0, 0]
    assert classes(drain(host)) == [0, 0, 0, 0, 0]
