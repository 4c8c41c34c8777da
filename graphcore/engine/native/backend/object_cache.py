"""Object files in the user's cache folder, each with a checksum.

``GRAPHCORE_CACHE`` names another folder; if it is empty, nothing is read or written. A folder that
cannot be written is logged once, and a damaged file counts as missing. So does one that another
user wrote or may write, because the process runs what is in it.
"""

import hashlib
import logging
import os
import sys
import tempfile
from pathlib import Path
from stat import S_IWGRP, S_IWOTH

_logger = logging.getLogger(__name__)
_DIGEST = hashlib.sha256().digest_size
_MOST_FILES = 512
_warned: set[Path] = set()


def folder() -> Path | None:
    """Return the cache folder, `None` if there is to be none."""
    given = os.environ.get("GRAPHCORE_CACHE")
    if given is not None:
        return Path(given) if given else None
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "graphcore" / "native"


def read(key: str) -> bytes | None:
    """Return the object file of this key, `None` if there is none or it is damaged."""
    where = folder()
    if where is None:
        return None
    try:
        with (where / key).open("rb") as file:
            stored = file.read() if _is_trusted(os.fstat(file.fileno())) else b""
    except OSError:
        return None
    digest, data = stored[:_DIGEST], stored[_DIGEST:]
    return data if hashlib.sha256(data).digest() == digest else None


def _is_trusted(status: os.stat_result) -> bool:
    if sys.platform == "win32":
        return True  # the folder belongs to the user's profile
    return status.st_uid in (os.geteuid(), 0) and not status.st_mode & (S_IWGRP | S_IWOTH)


def write(key: str, data: bytes) -> None:
    """Store an object file under a key."""
    where = folder()
    if where is None:
        return
    try:
        where.mkdir(parents=True, exist_ok=True)
        # Renamed when it is whole: another process may read it at any time.
        handle, name = tempfile.mkstemp(dir=where)
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.sha256(data).digest() + data)
        Path(name).replace(where / key)
        _drop_oldest(where)
    except OSError as error:
        if where not in _warned:
            _warned.add(where)
            _logger.warning("machine code is not kept in %s: %s", where, error)


def _drop_oldest(where: Path) -> None:
    files = list(where.iterdir())
    if len(files) > _MOST_FILES:
        files.sort(key=lambda file: file.stat().st_mtime)
        for file in files[: len(files) // 2]:
            file.unlink(missing_ok=True)
