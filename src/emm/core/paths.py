"""Where the stages keep what they make, relative to the working folder."""

from dataclasses import dataclass
from pathlib import Path

PRIVATE = ".emm"


@dataclass(frozen=True)
class Paths:
    """All paths of one block of params.yaml and recipe.

    ``root``: the folder that everything made lies in; ``source``: the registered dataset that the
    block is about, whose raw files all blocks share.
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
    def components(self) -> Path:
        return self.root / Path("data/components", self.dataset, self.recipe)

    @property
    def metrics(self) -> Path:
        return self.root / Path("metrics", self.dataset, self.recipe)

    @property
    def report(self) -> Path:
        return self.root / Path("reports", f"{self.dataset}.md")

    def architecture(self, name: str) -> Path:
        """Folder of the architecture that was found for a row, the search's history and weights."""
        return self.root / Path("data/architectures", self.dataset, self.recipe, name)

    def model(self, name: str) -> Path:
        """Folder of a row's models: a folder a seed, and history.json."""
        return self.root / Path("data/models", self.dataset, self.recipe, name)

    def evaluation(self, name: str) -> Path:
        return self.root / Path("data/evaluation", self.dataset, self.recipe, name)

    @property
    def learned_from(self) -> tuple[Path, ...]:
        """What training reads of the processed data."""
        names = ("schema.json", "train.parquet", "validation.parquet", "bags.parquet")
        return tuple(self.processed / name for name in names)

    def lock(self, out: Path) -> Path:
        """The file that whoever makes ``out`` holds (`emm.core.locks`)."""
        return self._beside("locks", out.with_name(f"{out.name}.lock"))

    def checkpoints(self, out: Path) -> Path:
        """Where the training of ``out`` keeps what it needs to go on after an interruption."""
        return self._beside("checkpoints", out)

    def _beside(self, kind: str, out: Path) -> Path:
        """Out of DVC's reach, which deletes what a stage makes before the stage starts."""
        if not out.is_relative_to(self.root):  # the raw files, which blocks of all roots share
            return Path(PRIVATE, kind) / out
        return self.root / PRIVATE / kind / out.relative_to(self.root)
