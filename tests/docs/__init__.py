"""Tests of the documentation: the site, its links, and the code that its pages show."""
