"""Metrics, replay without DDS, reports."""
