"""Examples that run, to copy from; installed as `graphcore_examples`."""
