"""HTTP in, HTTP out: the Flask and the ASGI application, their endpoints, and how they start."""
