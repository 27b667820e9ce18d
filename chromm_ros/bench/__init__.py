"""Benchmarks that print ratios side by side."""
