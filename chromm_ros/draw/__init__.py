"""Pictures of results: scenes from above and from the side, bodies over images. From plain arrays, no ROS."""
