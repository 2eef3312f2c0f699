"""One of several processes that train one model; prints history and logits as JSON.

    python -m tests.training.ranked weighted uncertainty

The words: ``weighted`` rows, ``partly`` labelled rows with all kinds of tasks, rows ``taught`` by
soft targets, a model instead of mmoe for partly labelled rows, and a weighting rule. It joins the
others if torchrun's variables are in the environment, and is the only one otherwise.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import torch

from emm.data.tables.soft_targets import Distillation, with_soft_targets
from emm.models import MODELS
from emm.training.distributed import join_processes
from emm.training.fit import fit, predict
from emm.training.weighting import WEIGHTINGS
from tests.training import partly
from tests.training.fitting import TRAIN, VALIDATION, mmoe, schedule


def main() -> None:
    torch.set_num_threads(1)
    join_processes(torch.device("cpu"))
    sys.stdout.write(json.dumps(trained(sys.argv[1:])) + "\n")


def trained(words: Sequence[str]) -> dict[str, Any]:
    """History and logits of the model that the words name."""
    # In float64: Adam would turn rounding errors of zero gradients into full steps.
    mixed = "partly" in words
    pair = (partly.TRAIN, partly.VALIDATION) if mixed else (TRAIN, VALIDATION)
    train, validation = (replace(rows, dense=rows.dense.double()) for rows in pair)
    if "weighted" in words:
        train = replace(train, weights=torch.linspace(0.5, 2.0, len(train)))
    if "taught" in words:
        columns = sum(train.outputs) or train.labels.shape[1]
        logits = torch.randn(len(train), columns, generator=torch.Generator().manual_seed(0))
        train = with_soft_targets(train, logits.double(), Distillation(0.7, 2.0))
    name = next((word for word in words if word in MODELS), "mmoe")
    model = (partly.network(name) if mixed else mmoe(dropout=0.0)).double()
    rule = next((word for word in words if word in WEIGHTINGS), "equal")
    # 300 rows in batches of 53: a last one of 35, and parts of unequal size.
    how = schedule(batch_size=53, max_epochs=4, weighting={"rule": rule})
    history = fit(model, train, validation, how, seed=0)
    # The losses after each step are those of a process's own rows.
    own = [asdict(replace(epoch, losses=())) for epoch in history]
    logits = predict(model, validation)
    return {"history": own, "logits": logits.tolist()}


if __name__ == "__main__":
    main()
