"""The stages of training, as data for one loop."""
