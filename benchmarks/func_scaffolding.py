"""Starts the function as func's scaffolding does: its service/main.py, reduced to what it calls."""

import logging

from func_python.http import serve

from function import new

logging.basicConfig(level=logging.INFO)
serve(new)
