# SPDX-License-Identifier: Apache-2.0
"""Mercurial's web server with one repository."""

import os

from mercurial.hgweb import hgweb

application = hgweb(os.environ["SLUICE_OUT"].encode() + b"/repository", b"repository")
