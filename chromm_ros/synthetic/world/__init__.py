"""Who and what is in a take: rooms, furniture, people on their ways, rigs of cameras."""
