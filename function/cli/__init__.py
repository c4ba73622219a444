"""The commands of ``python -m function``: work on rules without a cluster."""
