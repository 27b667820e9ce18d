"""The ROS 2 side: the only home of rclpy and of messages."""
