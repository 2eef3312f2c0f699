"""Write the page of the regimes and its figures."""

from pathlib import Path
from typing import Annotated

import typer

from emm.core.command import stage
from emm.core.locks import hold
from emm.core.paths import Paths
from emm.regimes.pages.page import write_page
from emm.regimes.results import page_file
from emm.regimes.settings import REGIMES_FILE, load_regimes


def main(file: Annotated[Path, typer.Option(help="the regimes")] = REGIMES_FILE) -> None:
    """Report on the regimes: study/regimes/results -> study/regimes/report.md."""
    regimes, root = load_regimes(file), file.parent
    page = page_file(root)
    hold(Paths("", "", Path()).lock(page), page)
    write_page(regimes, root)


if __name__ == "__main__":
    stage(main)()
