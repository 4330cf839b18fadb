# SPDX-License-Identifier: Apache-2.0
"""Radicale with calendars in a folder."""

import os

from radicale import config
from radicale.app import Application

configuration = config.load()
configuration.update(
    {
        "auth": {"type": "none"},
        "rights": {"type": "owner_only"},
        "storage": {"filesystem_folder": os.environ["SLUICE_OUT"] + "/calendars"},
    },
    "site",
)
application = Application(configuration)
