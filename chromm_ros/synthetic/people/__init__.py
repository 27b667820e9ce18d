"""People to draw: the free body with few triangles, posed without torch, and clothes for it."""
