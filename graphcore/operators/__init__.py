"""Operators: one file for each family, node classes and nothing else.

A class here says in its `cycle` what its operator means; `Stream` gives it a method.
"""
