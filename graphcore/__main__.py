"""`python -m graphcore` is the command `graphcore`."""

from graphcore.cli import main

main()
