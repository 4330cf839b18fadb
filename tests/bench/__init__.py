# SPDX-License-Identifier: Apache-2.0
"""Tests of the benchmarks: their report, their peers, instruction counts and machine code."""
