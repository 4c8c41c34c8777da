"""Whole programs of random text: node classes as users write them, wired, run and changed."""
