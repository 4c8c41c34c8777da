"""One warning a process for runs that cannot be native on this machine: they are fused instead."""

import logging

_logger = logging.getLogger(__name__)
_warned: list[BaseException] = []


def warn_once(error: BaseException) -> None:
    """Log that native runs are fused because of an error, unless it has been logged before."""
    if not _warned:
        _warned.append(error)
        _logger.warning("native runs are fused, because machine code cannot be made: %s", error)
