"""Texts that several rooms read and write: JSON as logs hold it, moments, durations and sizes."""
