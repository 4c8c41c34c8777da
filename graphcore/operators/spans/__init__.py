"""Spans of time: figures of their values, and the bars that `resample` makes."""
