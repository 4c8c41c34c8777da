"""A subscriber that tests observe while it runs."""

import threading
from typing import Any

import graphcore as gc
from graphcore_zmq import ZmqStatus, raw, zmq_sub


class Watching:
    """A subscriber's graph in a thread, which a test observes while it runs.

    It goes on until `end`, or, if it `closes`, until its publisher's normal end.
    """

    def __init__(self, source: Any, closes: bool = False, **options: Any) -> None:
        self.closes = closes
        self.subscription = zmq_sub(source, **{"codec": raw} | options)
        self.values: list[bytes] = []
        self.statuses: list[ZmqStatus] = []
        self.told: list[object] = []
        self.stop = threading.Event()
        self.report: gc.RunReport | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        data = self.subscription.data.for_each(self.values.extend)
        status = self.subscription.status.for_each(self.statuses.append)
        both = data.merge(status).for_each(self.told.append)
        ended = gc.never() if self.closes else gc.receiver(self._send_stop)
        stopper = gc.Stream(Stopper(ended))
        self.report = gc.Graph(data, status, both, stopper).run(realtime=True)

    def _send_stop(self, sender: gc.Sender[str], stop: threading.Event) -> None:
        while not stop.is_set():
            if self.stop.wait(0.02):
                sender.send("stop")
                return

    def join(self) -> None:
        self._thread.join(30)
        assert not self._thread.is_alive()

    def end(self) -> None:
        self.stop.set()
        self.join()


@gc.node
class Stopper(gc.MutableNode[None]):
    source: gc.Active[list[str]]

    def cycle(self, state: gc.GraphState) -> bool:
        state.stop()
        return False
