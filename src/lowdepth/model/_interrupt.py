"""An interrupt in a notebook ends the training, and keeps what was learnt."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lightning.pytorch.callbacks import Callback

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lightning.pytorch import Trainer


class StopOnInterrupt(Callback):
    """End the training after the step in which its user presses stop; a second time gives it up.

    Lightning alone takes an interrupt for the end of the process, and leaves a network that is neither averaged nor
    on its device. A script or a command that is interrupted shall end: only an interactive session is listened to, and
    only where nobody else listens.
    """

    def __init__(self) -> None:
        self.interrupted = False

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Let Lightning end the training as early stopping does, with all that belongs to it."""
        if self.interrupted:
            trainer.should_stop = True

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take interrupts while the training runs."""
        ours = (
            hasattr(sys, "ps1")  # an interactive session
            and threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        )
        if ours:
            signal.signal(signal.SIGINT, self._stop)
        try:
            yield
        except SystemExit as end:
            if isinstance(end.__context__, KeyboardInterrupt):
                raise KeyboardInterrupt from end  # what Lightning made an exit of
            raise
        finally:
            if ours:
                signal.signal(signal.SIGINT, signal.default_int_handler)

    def _stop(self, *_: Any) -> None:
        self.interrupted = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
