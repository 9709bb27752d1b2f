"""The command ``lowdepth``: the public functions, called from a shell."""

from __future__ import annotations

import argparse
import signal
import sys
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import lowdepth as ld
from lowdepth._commands.demo import add_arguments as add_demo_arguments
from lowdepth._commands.demo import demo
from lowdepth._commands.rescue import add_arguments as add_rescue_arguments
from lowdepth._commands.rescue import rescue

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BAD_INPUT = KeyError, NotImplementedError, OSError, TypeError, ValueError
"""What the library raises when it cannot take what it was given; all else is a fault of ours, with its traceback."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the user typed.

    Returns 0 when it is done and 2 when it cannot be done with this input. A command that a scheduler
    ends (SIGTERM) exits with 143, and one that its user ends (Ctrl-C) with 130, as a shell says it.
    """
    parser = argparse.ArgumentParser(prog="lowdepth", description=ld.__doc__.splitlines()[0])
    parser.add_argument("--version", action="version", version=f"%(prog)s {ld.__version__}")
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("demo", help="rescue the shallow cells of the shipped PBMC data and show how well")
    add_demo_arguments(command)
    command.set_defaults(run=demo)
    command = commands.add_parser("rescue", help="embed your cells, label the shallow ones, and report")
    add_rescue_arguments(command)
    command.set_defaults(run=rescue)
    options = vars(parser.parse_args(arguments))
    try:
        with _ended_by_signals(), warnings.catch_warnings():
            warnings.showwarning = _show_warning
            options.pop("run")(**options)
    except BAD_INPUT as error:
        # a KeyError shows its message in quotes, and an OSError has one beside its arguments
        message = error.args[0] if isinstance(error, KeyError) and error.args else error
        print(f"lowdepth: error: {message}", file=sys.stderr)
        return 2
    return 0


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Stop at once: Lightning on its own would end the training, and the command with code 0 or 1."""

    def stop(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """Leave out the line of code, which whoever types commands does not know."""
    print(f"lowdepth: warning: {message}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
