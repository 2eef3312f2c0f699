"""How a stage or the command line ends: one message for a user's error, no traceback."""

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from emm.core.errors import EmmError
from emm.core.progress import say

DEBUG = "--debug"
INTERRUPTED = 130

ParamsFile = Annotated[
    Path, typer.Option("--params", help="the settings; what is made goes beside this file")
]
Recipe = Annotated[str | None, typer.Option(help="instead of the file's own")]


def stage(function: Callable[..., None]) -> Callable[[], None]:
    """A script's entry point out of a function whose parameters are its options."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(epilog=f"{DEBUG} shows the traceback of an error.")(function)
    return lambda: run(app)


def run(app: Callable[..., Any]) -> NoReturn:
    """Run ``app`` on the command line's words and exit: 0, the error's code, or 130 for Ctrl-C.

    ``--debug`` anywhere shows the traceback. SIGTERM ends the work like Ctrl-C, so that
    temporary files go.
    """
    words = [word for word in sys.argv[1:] if word != DEBUG]
    debug = len(words) < len(sys.argv) - 1
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        # Typer gives back the code of an exit, such as 130 for Ctrl-C, and else what app returns.
        code = app(words, standalone_mode=False) or 0
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
        _fail("interrupted; run it again to go on", INTERRUPTED)
    sys.exit(code)


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _fail(message: str, code: int) -> NoReturn:
    say(message)
    sys.exit(code)
