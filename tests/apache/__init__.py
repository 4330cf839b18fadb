"""Tests that drive a real Apache httpd with the module loaded."""
