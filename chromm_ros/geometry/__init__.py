"""Rotations, rigid and similarity motions, cameras and triangulation: batched, in NumPy, tested by laws."""
