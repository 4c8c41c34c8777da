"""The sub-commands of `graphcore` for ZeroMQ; they need the extra `cli`."""
