"""A real training that is killed at random moments and started again."""

import random
import time
from pathlib import Path

from tests.training.interrupted import contents
from tests.training.killing import start


def test_killed_training_ends_with_the_same_files(tmp_path: Path) -> None:
    began = start(tmp_path / "undisturbed")
    while not (tmp_path / "undisturbed").exists():  # loads torch once, before the first kill
        began.join(0.01)
    seconds = -time.monotonic()
    began.join()
    seconds += time.monotonic()
    expected = contents(tmp_path / "undisturbed/out")
    assert expected
    draw = random.Random(0)
    kills = 0
    while not (tmp_path / "killed/out").exists():
        process = start(tmp_path / "killed")
        process.join(draw.uniform(0.2, 0.6) * seconds if kills < 3 else None)
        kills += process.is_alive()
        process.kill()
        process.join()
    assert kills
    assert contents(tmp_path / "killed/out") == expected
    assert not list((tmp_path / "killed/.emm").rglob("*.safetensors"))
    assert not list((tmp_path / "killed").glob("*.tmp"))
