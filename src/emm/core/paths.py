"""Where the stages store their outputs, relative to the working folder."""

from dataclasses import dataclass
from pathlib import Path

PRIVATE = ".emm"


def parts_of_row(row: str) -> tuple[str, str | None, str] | None:
    """Dataset, recipe and model of a row DATASET/RECIPE/MODEL or DATASET/MODEL, whose recipe is the
    active one; None for other names."""
    parts = row.strip("/").split("/")
    if not all(parts) or not 2 <= len(parts) <= 3:
        return None
    return parts[0], parts[1] if len(parts) == 3 else None, parts[-1]


@dataclass(frozen=True)
class Paths:
    """All paths of one configured dataset and recipe.

    ``root``: folder of all outputs. ``source``: registered dataset whose raw files are read, by
    default ``dataset`` itself; all configured datasets with the same source share these files.
    """

    dataset: str
    recipe: str
    root: Path = Path()
    source: str = ""

    @property
    def raw(self) -> Path:
        return Path("data/raw", self.source or self.dataset)

    @property
    def processed(self) -> Path:
        return self.root / Path("data/processed", self.dataset)

    @property
    def schema(self) -> Path:
        return self.processed / "schema.json"

    @property
    def rejected(self) -> Path:
        return self.root / Path("data/rejected", f"{self.dataset}.jsonl")

    @property
    def checks(self) -> Path:
        return self.root / Path("data/checks", f"{self.dataset}.json")

    @property
    def seen(self) -> Path:
        """Which rows of validation and test have the features of a row of train."""
        return self.root / Path("data/checks", f"{self.dataset}-seen.parquet")

    @property
    def components(self) -> Path:
        return self.root / Path("data/components", self.dataset, self.recipe)

    @property
    def metrics(self) -> Path:
        return self.root / Path("metrics", self.dataset, self.recipe)

    @property
    def report(self) -> Path:
        return self.root / Path("reports", f"{self.dataset}.md")

    def architecture(self, name: str) -> Path:
        """Folder of an architecture search: the architecture, the history and the weights."""
        return self.root / Path("data/architectures", self.dataset, self.recipe, name)

    def model(self, name: str) -> Path:
        """Folder of a trained model: one folder per seed, and history.json."""
        return self.root / Path("data/models", self.dataset, self.recipe, name)

    def scores(self, name: str = "") -> Path:
        """Folder of an outside model's scores, and of what was found out about it; without a name,
        that of all of them."""
        return self.root / Path("data/scores", self.dataset, self.recipe, name)

    def evaluation(self, name: str) -> Path:
        return self.root / Path("data/evaluation", self.dataset, self.recipe, name)

    def exported(self, name: str) -> Path:
        """Folder of a model that is exported: it runs without this project."""
        return self.root / Path("data/exported", self.dataset, self.recipe, name)

    @property
    def training_data(self) -> tuple[Path, ...]:
        """The processed files that training reads."""
        names = ("train", "groups", "validation", "bags")
        return (self.schema, *(self.processed / f"{name}.parquet" for name in names))

    def lock(self, out: Path) -> Path:
        """Lock file held by the process that writes ``out`` (`emm.core.locks`)."""
        return self._private("locks", out.with_name(f"{out.name}.lock"))

    def checkpoints(self, out: Path) -> Path:
        """Where the training of ``out`` stores its checkpoint."""
        return self._private("checkpoints", out)

    def _private(self, kind: str, out: Path) -> Path:
        """A path in ``PRIVATE``: DVC deletes the outputs of a stage before it starts, not these."""
        if not out.is_relative_to(self.root):  # raw files, which all roots share
            return Path(PRIVATE, kind) / out
        return self.root / PRIVATE / kind / out.relative_to(self.root)
