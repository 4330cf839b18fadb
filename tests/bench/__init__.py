"""Tests of the benchmarks: their report, their peers, instruction counts and machine code."""
