# SPDX-License-Identifier: Apache-2.0
"""Start the reporter apart from the application: the file WSGIImportScript names."""

import metrics

metrics.enable_reporting()
