"""Claims about speed, measured: each in one run, as ratios."""
