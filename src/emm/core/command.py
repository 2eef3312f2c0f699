"""Entry points of stages and commands: exit codes, and one message per user error."""

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from emm.core.errors import EmmError
from emm.core.kernels import use_portable_numpy
from emm.core.progress import say

use_portable_numpy()  # here, as stages import this module before NumPy

DEBUG = "--debug"
INTERRUPTED = 130

ParamsFile = Annotated[
    Path, typer.Option("--params", help="parameter file; outputs are written next to it")
]
Recipe = Annotated[
    str | None, typer.Option(help="recipe to use instead of the one in the parameter file")
]


def stage(function: Callable[..., None]) -> Callable[[], None]:
    """Turn ``function`` into a script's entry point; its parameters become options."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(epilog=f"{DEBUG} shows the traceback of an error.")(function)
    return lambda: run(app)


def run(app: Callable[..., Any]) -> NoReturn:
    """Run ``app`` on the command-line arguments, then exit.

    The exit code is 0 on success, 2 for wrong usage, 130 after Ctrl-C or SIGTERM, and that of the
    error otherwise. SIGTERM is handled like Ctrl-C, so that temporary files are removed.
    ``--debug`` anywhere among the arguments shows tracebacks.
    """
    arguments = [argument for argument in sys.argv[1:] if argument != DEBUG]
    debug = len(arguments) < len(sys.argv) - 1
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        # Typer returns the exit code (130 after Ctrl-C) or, without one, what the command returned.
        code = app(arguments, standalone_mode=False) or 0
    except EmmError as error:
        if debug:
            raise
        _fail(f"error: {error}", error.exit_code)
    except Exception as error:
        usage = getattr(error, "format_message", None)
        if usage is None:
            raise
        _fail(f"error: {usage()}\n  next: add --help to see the options", 2)
    if code == INTERRUPTED:
        _fail("interrupted; run the same command again to continue", INTERRUPTED)
    sys.exit(code)


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _fail(message: str, code: int) -> NoReturn:
    say(message)
    sys.exit(code)
