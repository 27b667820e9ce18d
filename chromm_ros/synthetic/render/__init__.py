"""Pictures of triangles: colour, exact depth and who is seen, on the CPU and the same in every process. Needs numba, not torch."""
