"""How the node's program ends."""

import signal

from rclpy.task import Future


class Ending:
    """What SIGINT and SIGTERM do: they end the spinning and leave the middleware alive, so that the node can say goodbye."""

    def __init__(self) -> None:
        """Take both signals."""
        self.asked = Future()
        self.interrupts = True
        """Whether a signal breaks off what runs: loading a model takes seconds, and nothing is lost."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def _on_signal(self, *_: object) -> None:
        self.asked.set_result(None)
        if self.interrupts:
            self.interrupts = False  # once: a second signal must not break off the end
            raise KeyboardInterrupt
