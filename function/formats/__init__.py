"""Texts that several packages read and write: JSON as logs hold it, times, durations and sizes."""
