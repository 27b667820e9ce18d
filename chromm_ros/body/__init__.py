"""SMPL-X bodies through the smplx library, and the free body that ships with the package."""
