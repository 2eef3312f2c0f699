"""Cost and validation scores of the single-task networks, with the settings of `defaults: auto`.

    python -m benchmarks.structures data/processed/census-income --rows 20000

Trains each network of `STRUCTURES` on one thread, by default with seed 0, and prints a JSON line:
the processor time of a step, the validation AUC of each epoch, and the number of parameters.
``--rows`` takes so many rows of train, spread evenly; the settings are those of a table of that
size. Rows of test are never read.
"""

import argparse
import json
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from emm.models import model_class
from emm.nn.mlp import count_parameters
from emm.training.auto import facts_of, network_defaults, training_defaults
from emm.training.context import TrainingContext, open_context, schedule_of
from emm.training.fit import evaluated, train_epoch
from emm.training.networks import build_network, fresh_network
from emm.training.optimisers import Stepper
from emm.training.seeds import order_generator, seed_dropout
from emm.training.settings import OptimiserSettings, TrainingSettings
from emm.training.structures import STRUCTURES
from emm.training.weighting import make_weighting


def main() -> None:
    """Print a line for each network and task."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("processed", type=Path)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tasks", nargs="*")
    parser.add_argument("--networks", nargs="*", default=list(STRUCTURES), choices=STRUCTURES)
    given = parser.parse_args()
    context = open_context(given.processed, "default", TrainingSettings())
    if given.rows:
        chosen = torch.linspace(0, len(context.train) - 1, given.rows).round().long()
        context = replace(context, train=context.train.rows(chosen))
    for task in given.tasks or context.schema.tasks:
        own = context.task(context.schema.tasks.index(task))
        for network in given.networks:
            line = json.dumps({"task": task, **measured(own, network, given.seed)})
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()


def measured(context: TrainingContext, network: str, seed: int) -> dict[str, object]:
    """Train one network of the context's task."""
    facts = replace(facts_of(context.schema), rows=len(context.train))
    found = network_defaults(facts, network)
    steps = OptimiserSettings(found.pop("learning_rate"), found.pop("weight_decay"))
    plan = TrainingSettings(**training_defaults(facts))
    schedule = schedule_of(plan, steps, context.schema)
    build = partial(build_network, model_class(network), found)
    model, _ = fresh_network(build, context, seed, network)
    seed_dropout(seed, network)
    batches = -(-len(context.train) // plan.batch_size)
    stepper = Stepper(model, [], schedule.optimisation, plan.max_epochs * batches)
    order, weighting = order_generator(seed, context.device, network), make_weighting(1, "equal")
    aucs, seconds = [], 0.0
    for number in range(1, plan.max_epochs + 1):
        rows, before = context.train.shuffled(plan.batch_size, order), time.process_time()
        loss = train_epoch(model, context.train, rows, weighting, stepper)
        seconds += time.process_time() - before
        aucs.append(evaluated(number, loss, stepper.kept, context.validation).mean_score)
    return {
        "network": network,
        "milliseconds_per_step": round(1e3 * seconds / plan.max_epochs / batches, 1),
        "seconds_per_epoch": round(seconds / plan.max_epochs, 1),
        "validation_auc": [round(auc, 5) for auc in aucs],
        "parameters": count_parameters(model),
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
