"""Servers that do nothing: the most that a server can reach."""
