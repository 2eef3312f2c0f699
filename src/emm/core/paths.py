"""Where the stages keep what they make, relative to the working folder."""

from dataclasses import dataclass
from pathlib import Path


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
    def checkpoints(self) -> Path:
        """What interrupted work goes on from; no stage's out, and gone when the work is done."""
        return self.root / ".emm/checkpoints" / self.dataset / self.recipe

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
