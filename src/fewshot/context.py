"""What the stages of meta-training and meta-test share: images, split, settings and network."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from emm.config.project import Project
from emm.core.files import sha256
from emm.core.paths import Paths
from emm.training.devices import use_device
from emm.training.seeds import seed_init
from fewshot.images import INDEX, Split, load_images, split_characters
from fewshot.network import FewShotNetwork
from fewshot.settings import EpisodeSettings, read_episodes, read_image_set


@dataclass(frozen=True)
class FewShotContext:
    """One kind of episodes with its images. ``images_sha256``: hash of the images' index."""

    name: str
    paths: Paths
    settings: EpisodeSettings
    images: Tensor
    split: Split
    images_sha256: str
    device: torch.device

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of `FewShotNetwork`."""
        side = self.images.shape[-1]
        return {"ways": self.settings.ways, "side": side, **asdict(self.settings.network)}

    def fresh_network(self) -> FewShotNetwork:
        """The network before training; its weights depend only on the seed."""
        seed_init(self.settings.seed, "maml")
        return FewShotNetwork(**self.arguments).to(self.device)

    @property
    def checkpoint(self) -> Path:
        """Folder of the state from which an interrupted training resumes."""
        return self.paths.checkpoints(self.paths.model(self.name))

    @property
    def configuration(self) -> dict[str, Any]:
        """Everything that training depends on except the code and its length, as plain JSON."""
        settings = asdict(self.settings)
        del settings["test"]
        training = settings["training"]
        # Without the length, a longer training can resume from a shorter one.
        iterations = training.pop("iterations")
        if training["lr_schedule"] != "constant":
            training["lr_schedule_iterations"] = training["lr_schedule_iterations"] or iterations
        characters = {part: numbers.tolist() for part, numbers in vars(self.split).items()}
        return {
            "settings": settings,
            "images": self.images_sha256,
            "characters": characters,
            "torch": torch.__version__,
        }


def open_context(project: Project, images: str, episodes: str) -> FewShotContext:
    """Load the images and select the device. Raises ParamsError or DataError if that fails."""
    split = read_image_set(project, images).split
    settings = read_episodes(project, images, episodes)
    paths = project.paths(images)
    array = load_images(paths.processed)
    parts = split_characters(len(array), split.train, split.validation, split.seed)
    device = use_device(settings.device, settings.threads)
    index = sha256(paths.processed / INDEX)
    return FewShotContext(f"maml-{episodes}", paths, settings, array, parts, index, device)
