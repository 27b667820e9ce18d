"""Training: one loop, stages as data, runs that can be cut off anywhere."""
