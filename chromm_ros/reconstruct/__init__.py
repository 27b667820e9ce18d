"""From the network's per-frame predictions to one world: track, associate, fuse, scale, stitch."""
