"""Listening sockets in forked children: closed there, or connections would wait for the child."""

import os
import socket

_open: set[socket.socket] = set()


def close_in_children(listener: socket.socket) -> None:
    """Close a socket in each child that this process forks from now on."""
    _open.difference_update([each for each in _open if each.fileno() < 0])
    _open.add(listener)


def _close() -> None:
    for each in list(_open):
        each.close()
    _open.clear()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_close)
