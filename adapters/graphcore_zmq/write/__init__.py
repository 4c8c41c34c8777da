"""Publishing: `zmq_pub`, its node, and the socket it binds."""
