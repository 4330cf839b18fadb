"""Tests of the report that the benchmarks end in."""
