# SPDX-License-Identifier: Apache-2.0
"""WsgiDAV with a folder that everybody may write to."""

import os

from wsgidav.wsgidav_app import WsgiDAVApp

FOLDER = os.environ["SLUICE_OUT"] + "/files"
os.makedirs(FOLDER, exist_ok=True)

application = WsgiDAVApp(
    {
        "provider_mapping": {"/": FOLDER},
        "simple_dc": {"user_mapping": {"*": {"admin": {"password": "secret"}}}},
        "http_authenticator": {"accept_basic": True, "accept_digest": False, "default_to_digest": False},
        "lock_storage": True,
        "property_manager": True,
        "verbose": 1,
    }
)
