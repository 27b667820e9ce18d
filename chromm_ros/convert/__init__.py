"""Videos with a calibration, or a sequence of a dataset, as a rosbag2 that the node and `eval bag` play."""
