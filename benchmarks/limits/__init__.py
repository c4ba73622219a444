"""Servers that do nothing: the most that a door can reach."""
