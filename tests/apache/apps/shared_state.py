"""A module that applications import; each interpreter has one of its own."""

visits = []
