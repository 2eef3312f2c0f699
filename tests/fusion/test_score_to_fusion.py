"""Real models from outside, from their files to the test predictions of fused models."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file, save_file
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier
from torch import Tensor, nn

import emm
from emm.core.errors import ModelFileError
from emm.data.tables.loading import load_split
from emm.data.tables.schema import Schema, load_schema
from emm.evaluation.evaluate import evaluate
from emm.fusion.decompose import decompose
from emm.fusion.pool import load_pool
from emm.fusion.settings import FusionSettings
from emm.fusion.train import train_fused
from emm.models.single_task import SingleTask
from emm.nn.inputs import Inputs
from emm.outside.factories import trusting
from emm.outside.score import score
from emm.outside.settings import OutsideModel
from emm.training.context import TrainingContext, open_context
from emm.training.networks import build_network, train_networks
from emm.training.store import load_model
from tests.fusion.fusing import settings
from tests.fusion.outside import Embed
from tests.outside.people import as_pandas
from tests.outside.shop import export, pipeline, processed_shop
from tests.training.tiny import OPTIMISER, training

pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")  # few iterations suffice

STRUCTURE = {"embedding_dim": 2, "blocks": [[8], [8]], "tower": [], "dropout": 0.0}
NETWORK = "tests.fusion.test_score_to_fusion:Sure"
TASKS = ("rich", "income", "size")


class Sure(nn.Module):
    """A network on the processed columns that ends in a sigmoid."""

    def __init__(self, inputs: Inputs) -> None:
        super().__init__()
        self.embed = Embed(inputs, 2)
        width = self.embed.width
        self.layers = nn.Sequential(nn.Linear(width, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU())
        self.last = nn.Sequential(nn.Linear(8, 1), nn.Sigmoid())

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        return self.last(self.layers(self.embed(dense, sparse)))


FITTED: Mapping[str, tuple[str, Any]] = {
    "risk": ("rich", LogisticRegression(max_iter=300)),
    "deep": ("rich", MLPClassifier((8, 8), max_iter=15, random_state=0)),
    "money": ("income", LinearRegression()),
    "sizes": ("size", LogisticRegression(max_iter=300)),
}
OUTPUTS = {"risk": "probabilities[:, 1]", "deep": "probabilities[:, 1]", "sizes": "probabilities"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Processed data, trained own networks, scored outside models, and the pool of all."""
    folder = tmp_path_factory.mktemp("shop")
    processed = processed_shop(folder)
    entries = write_entries(folder, load_schema(processed / "schema.json"))
    schema = load_schema(processed / "schema.json")
    for name, entry in entries.items():
        (folder / "scores" / name).mkdir(parents=True)
        with trusting([NETWORK]):
            score(folder / "scores" / name, name, entry, processed, schema, "conf")
    context = open_context(processed, "paper", training())
    train_networks(
        folder / "narrow",
        context,
        name="narrow",
        architecture="single_task",
        build=partial(build_network, SingleTask, STRUCTURE),
        training=training(),
        optimiser=OPTIMISER,
        per_task=True,
    )
    with trusting([NETWORK]):
        decompose(
            folder / "pool",
            context,
            {"narrow": folder / "narrow"},
            {},
            FusionSettings(pool=entries),
            (0,),
            scores=folder / "scores",
        )
    return folder


def write_entries(folder: Path, schema: Schema) -> dict[str, OutsideModel]:
    found = {}
    for name, (task, model) in FITTED.items():
        path = export(pipeline(model, task), folder / f"{name}.onnx")
        found[name] = OutsideModel(
            task, model=str(path), output=OUTPUTS.get(name), reference="none"
        )
    torch.manual_seed(3)
    weights = folder / "sure.safetensors"
    save_file(Sure(inputs_of(schema)).state_dict(), weights)
    found["sure"] = OutsideModel("rich", factory=NETWORK, weights=str(weights), reference="none")
    (folder / "entries.json").write_text(json.dumps({k: vars(v) for k, v in found.items()}))
    return found


def inputs_of(schema: Schema) -> Inputs:
    cardinalities = tuple(column.cardinality for column in schema.sparse)
    return Inputs(len(schema.dense), cardinalities)


def context_of(shop: Path) -> TrainingContext:
    return open_context(processed_of(shop), "paper", training())


def processed_of(shop: Path) -> Path:
    return next(shop.glob("**/schema.json")).parent


def fused(shop: Path, out: Path, arguments: dict[str, Any]) -> None:
    entries = json.loads((shop / "entries.json").read_text())
    with trusting([NETWORK]):
        train_fused(
            out,
            context_of(shop),
            name="emm",
            components=shop / "pool",
            training=training(),
            fusion=FusionSettings(pool={k: OutsideModel(**v) for k, v in entries.items()}),
            settings=settings(),
            arguments=arguments,
        )


def originals(shop: Path, split: str) -> dict[str, np.ndarray]:
    """Each outside model's own outputs for a split in the scale of logits, by its own library."""
    processed = processed_of(shop)
    schema, raw = (
        load_schema(processed / "schema.json"),
        as_pandas(pl.read_parquet(processed / f"raw/{split}.parquet")),
    )
    found = {}
    for name, (task, model) in FITTED.items():
        fitted = pipeline(model, task)
        if task == "income":
            target = schema.targets[task]
            found[name] = ((fitted.predict(raw) - target.mean) / target.std)[:, None]
        else:
            probabilities = fitted.predict_proba(raw)
            odds = np.log(probabilities)
            order = [list(fitted.classes_).index(x) for x in schema.classes.get(task, ())]
            found[name] = odds[:, order] if order else odds[:, 1:] - odds[:, :1]
    rows = load_split(processed / f"{split}.parquet", schema)
    network = Sure(inputs_of(schema)).eval()
    network.load_state_dict(load_file(shop / "sure.safetensors"))
    probabilities = network.double()(rows.dense.double(), rows.sparse)
    found["sure"] = torch.logit(probabilities).detach().numpy()
    return found


def expected(shop: Path, split: str) -> Tensor:
    """The mean logits of each task's members, [N, 5]; classes by their log odds to the first."""
    processed = processed_of(shop)
    rows = load_split(processed / f"{split}.parquet", load_schema(processed / "schema.json"))
    outside, means = originals(shop, split), []
    for task in TASKS:
        own, _ = load_model(shop / f"narrow/seed-0/{task}", context_of(shop).schema_sha256)
        members = [own(rows.dense, rows.sparse).detach().double().numpy()]
        members += [outside[n] for n, (of, _) in FITTED.items() if of == task]
        members += [outside["sure"]] if task == "rich" else []
        means.append(np.mean(members, axis=0))
    return differences(torch.from_numpy(np.concatenate(means, axis=1)))


def assert_means(found: Tensor, shop: Path, split: str) -> None:
    """They are the mean logits. Those of `risk`, whose file gives probabilities in float32 only,
    are less exact near 0 and 1."""
    exact = torch.from_numpy(np.abs(originals(shop, split)["risk"][:, 0]) < 4)
    assert exact.float().mean() > 0.6
    ours, theirs = differences(found), expected(shop, split)
    torch.testing.assert_close(ours[exact], theirs[exact], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)


def differences(logits: Tensor) -> Tensor:
    """Logits of classes mean the same with a constant added: those of `size` minus the first."""
    shifted = logits.double().clone()
    shifted[:, 2:] -= logits[:, 2:3].double()
    return shifted


def test_the_members_join_as_they_can(shop: Path) -> None:
    members = load_pool(shop / "pool/seed-0", context_of(shop).schema_sha256).members
    assert [x.name for x in members.networks] == [*(f"narrow/{t}" for t in TASKS), "deep", "sure"]
    assert [member.name for member in members.opaque] == ["risk", "money", "sizes"]
    assert {len(member.levels) for member in members.networks} == {2}


def test_an_ensemble_predicts_test_as_the_mean_of_the_originals(shop: Path, tmp_path: Path) -> None:
    fused(shop, tmp_path / "emm", {"variant": "ensemble"})
    (tmp_path / "out").mkdir()
    with trusting([NETWORK]):
        evaluate(
            tmp_path / "emm",
            processed_of(shop),
            tmp_path / "out",
            name="emm",
            seeds=(0,),
            bins=5,
            device="cpu",
            threads=1,
            deterministic=False,
        )
    found = load_file(tmp_path / "out/predictions.safetensors")["logits"][0]
    assert_means(found, shop, "test")
    members = json.loads((tmp_path / "out/members.json").read_text())["members"]
    assert {x["name"]: x["share"] for x in members if x["task"] == "size"} == {
        "narrow/size": [0.5],
        "sizes": [0.5],
    }


@pytest.mark.parametrize("variant", ["aligned", "paper"])
def test_fused_models_learn_through_them(shop: Path, tmp_path: Path, variant: str) -> None:
    fused(shop, tmp_path / "emm", {"variant": variant, "embedding_dim": 2})
    (run,) = json.loads((tmp_path / "emm/history.json").read_text())["runs"]
    assert len(run["epochs"]) > 1
    losses = [epoch["train_loss"] for epoch in run["epochs"]]
    assert min(losses[1:]) < losses[0]


def test_a_loaded_model_predicts_splits_whose_scores_are_kept(shop: Path, tmp_path: Path) -> None:
    fused(shop, tmp_path / "emm", {"variant": "ensemble"})
    dataset = emm.load_dataset(processed_of(shop))
    with trusting([NETWORK]):
        model = emm.load(tmp_path / "emm/seed-0", dataset)
        model.save(tmp_path / "saved")
        saved = emm.load(tmp_path / "saved", dataset)
    for split in ("validation", "test"):
        assert_means(model.predict(dataset, split), shop, split)
        assert torch.equal(saved.predict(dataset, split), model.predict(dataset, split))
    with pytest.raises(ModelFileError, match="needs the scores of risk, money, sizes, deep"):
        model.predict(dataset, "train")
