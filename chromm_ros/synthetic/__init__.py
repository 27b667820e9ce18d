"""Worlds whose truth is known: cameras, people and a room, and what a network would say of them, exactly or with planted errors."""
