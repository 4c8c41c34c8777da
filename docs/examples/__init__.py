"""Runnable examples to copy from; installed as `graphcore_examples`."""
