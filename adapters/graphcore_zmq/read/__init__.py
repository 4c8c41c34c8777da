"""Subscribing: `zmq_sub`, and the thread that reads a publisher's socket."""
