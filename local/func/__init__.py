"""Knative's func and this project: its command line where it is installed, its builders by hand."""
