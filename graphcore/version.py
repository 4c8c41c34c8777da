"""The version of this distribution: pyproject.toml reads it here, `gc.__version__` is it."""

__version__ = "0.1.0"
