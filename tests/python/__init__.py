"""Tests of the bindings on the harness: a host whose clock and requests each test moves itself."""
