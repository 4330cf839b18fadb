"""Telemetry with the service that it is made for."""
