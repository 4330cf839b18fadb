"""Telemetry against the receiver that it is made for."""
