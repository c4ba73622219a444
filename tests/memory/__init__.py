"""What one request may cost a pod: bodies of every shape, and the memory that each takes."""
