"""Files of trained weights: published ones are read, checked and imported into our own format, with a card that tells their licence."""
