"""Operators: one file for each family, and in it node classes alone.

The `cycle` of a class defines what its operator does; `Stream` has a method that makes the node.
"""
