# SPDX-License-Identifier: Apache-2.0
"""Books, each with a title and a file."""
