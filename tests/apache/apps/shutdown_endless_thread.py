# SPDX-License-Identifier: Apache-2.0
"""A thread that nobody tells to end."""

import threading

threading.Thread(target=threading.Event().wait, daemon=False).start()
