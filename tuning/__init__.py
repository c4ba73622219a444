"""Predict what Knative's autoscaler will do, and choose its settings before a cluster sees them."""
