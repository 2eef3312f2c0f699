"""Where the stages keep what they make, relative to the project's root."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Paths:
    """All paths of one dataset and recipe."""

    dataset: str
    recipe: str

    @property
    def raw(self) -> Path:
        return Path("data/raw", self.dataset)

    @property
    def processed(self) -> Path:
        return Path("data/processed", self.dataset)

    @property
    def schema(self) -> Path:
        return self.processed / "schema.json"

    @property
    def checks(self) -> Path:
        return Path("data/checks", f"{self.dataset}.json")

    @property
    def components(self) -> Path:
        return Path("data/components", self.dataset, self.recipe)

    @property
    def metrics(self) -> Path:
        return Path("metrics", self.dataset, self.recipe)

    @property
    def report(self) -> Path:
        return Path("reports", f"{self.dataset}.md")

    def model(self, name: str) -> Path:
        """Folder of a row's models: a folder a seed, and history.json."""
        return Path("data/models", self.dataset, self.recipe, name)

    def evaluation(self, name: str) -> Path:
        return Path("data/evaluation", self.dataset, self.recipe, name)
