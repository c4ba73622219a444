"""Measure how much one pod can do, and recommend the settings that follow from it."""
