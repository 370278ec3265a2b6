"""Measurements, to be run from the root of the repository: ``python -m benchmarks`` for speed."""
