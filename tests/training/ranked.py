"""One of several processes that train one model; prints history and logits as JSON.

    python -m tests.training.ranked weighted

It joins the others if torchrun's variables are in the environment, and is the only one otherwise.
"""

import json
import sys
from dataclasses import asdict, replace

import torch

from emm.training.distributed import join_processes
from emm.training.fit import fit, predict
from tests.training.fitting import TRAIN, VALIDATION, mmoe, schedule


def main() -> None:
    torch.set_num_threads(1)
    join_processes(torch.device("cpu"))
    # In float64: Adam would turn rounding errors of zero gradients into full steps.
    train, validation = (replace(rows, dense=rows.dense.double()) for rows in (TRAIN, VALIDATION))
    if "weighted" in sys.argv:
        train = replace(train, weights=torch.linspace(0.5, 2.0, len(train)))
    model = mmoe(dropout=0.0).double()
    # 300 rows in batches of 53: a last one of 35, and parts of unequal size.
    history = fit(model, train, validation, schedule(batch_size=53, max_epochs=4), seed=0)
    own = [asdict(epoch) for epoch in history]
    logits = predict(model, validation)
    sys.stdout.write(json.dumps({"history": own, "logits": logits.tolist()}) + "\n")


if __name__ == "__main__":
    main()
