"""Tests of the bindings on the harness, a host whose clock and requests the test controls."""
