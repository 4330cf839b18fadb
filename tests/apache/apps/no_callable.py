"""Holds nothing that could be called as an application."""

application = "a string"
