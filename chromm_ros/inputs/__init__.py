"""One camera's way from messages to frames: what the node and an evaluation without ROS share."""
