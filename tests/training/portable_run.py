"""Prints hashes of short trainings as JSON: python -m tests.training.portable_run."""

import json
import sys

from emm.core.command import stage


def main() -> None:
    """Train on one thread, with the same kernels as on any other machine."""
    # Late, as in a stage: what is imported above chooses NumPy's kernels.
    from emm.training.devices import use_device
    from tests.training.portable_trainings import hashes

    use_device("cpu", 1, portable=True)
    sys.stdout.write(json.dumps(dict(hashes()), indent=2) + "\n")


if __name__ == "__main__":
    stage(main)()
