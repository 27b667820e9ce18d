"""A synthetic world with exact ground truth."""
