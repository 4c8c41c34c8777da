"""What a worker says and hears: JSON, a line each."""

import json
import sys
from typing import Any

QUIET = 0.3  # s without a value after which all of a lossy publisher's have arrived


def say(**fields: object) -> None:
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


def hear() -> Any:
    """Return the next line; end the process if there is none, because its parent has ended."""
    line = sys.stdin.readline()
    if not line:
        sys.exit()
    return json.loads(line)
