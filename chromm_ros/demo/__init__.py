"""The main job in one command: a recording through the node, the results in a bag, a table and pictures."""
