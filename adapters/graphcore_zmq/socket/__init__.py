"""ZeroMQ sockets as both ends set them up, and their encryption."""
