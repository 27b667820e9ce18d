"""Recordings and datasets behind one protocol."""
