"""From single frames to windows: synchroniser, sliding window, worker thread. No ROS, no torch."""
