# SPDX-License-Identifier: Apache-2.0
"""Telemetry with the service that it is made for."""
