"""Publishers and subscribers of the wingfoil wheel, as peers for tests.

Called as `programs.py` is: with the function's name and its arguments in JSON. The wheel's
publisher ends only after its duration, or by a signal.
"""

import json
import sys
from typing import Any

import wingfoil


def say(**fields: object) -> None:
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


def publish(port: int, period: int, cycles: int | None) -> None:
    """Publish 1, 2, ... as text, one every `period` ns."""
    graph, numbers = _numbers(period)
    wingfoil.zmq_pub(numbers, port, "127.0.0.1")
    _run(graph, cycles)


def publish_etcd(port: int, period: int, known_as: str, endpoint: str) -> None:
    """Publish them under a name."""
    graph, numbers = _numbers(period)
    wingfoil.zmq_pub_etcd(numbers, port, known_as, endpoint, "127.0.0.1")
    _run(graph, None)


def subscribe(address: str) -> None:
    """Print each burst and each status as it arrives."""
    graph = wingfoil.Graph()
    _tell(*wingfoil.zmq_sub(graph, address))
    _run(graph, None)


def subscribe_etcd(known_as: str, endpoint: str) -> None:
    """The same for a publisher found by its name."""
    graph = wingfoil.Graph()
    _tell(*wingfoil.zmq_sub_etcd(graph, known_as, endpoint))
    _run(graph, None)


def _numbers(period: int) -> tuple[Any, Any]:
    graph = wingfoil.Graph()
    return graph, graph.counter(period).map(lambda n: b"%d" % n)


def _tell(data: Any, status: Any) -> None:
    data.inspect(lambda burst: say(burst=[value.decode("latin1") for value in burst]))
    status.inspect(lambda status: say(status=status))


def _run(graph: Any, cycles: int | None) -> None:
    say(ready=True)
    try:
        graph.run(realtime=True, cycles=cycles)
    except RuntimeError as error:
        say(error=str(error))
    else:
        say(ended=True)


if __name__ == "__main__":
    globals()[sys.argv[1]](**json.loads(sys.argv[2]))
