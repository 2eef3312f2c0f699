"""Outside members from their scores through decomposition, training and evaluation."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
import torch
from safetensors.torch import load_file, save_file

from emm.core.errors import DecompositionError, ModelFileError
from emm.data.tables.names import label_column
from emm.data.tables.schema import schema_hash, write_schema
from emm.evaluation.evaluate import evaluate
from emm.fusion.cached_predictions import load_cached_predictions
from emm.fusion.decompose import decompose
from emm.fusion.emm import EMM
from emm.fusion.member_facts import load_facts
from emm.fusion.pool import load_pool
from emm.fusion.settings import FusionSettings, Phase, Start
from emm.fusion.train import train_fused
from emm.outside.settings import OutsideModel
from emm.training.store import load_model
from tests.fusion.fusing import ALIGNED, GATES, settings
from tests.fusion.outside_stage import TEST_ROWS, context, original_logits, write_scored
from tests.training.tiny import IDENTITY, NUMBERS, fusion, table, train_members, training

CONTEXT = context()


def how(entries: dict[str, OutsideModel], fit_on: str = "out-of-fold") -> FusionSettings:
    return fusion(fit_on, pool=entries)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Own members, and one cut and one opaque outside member, decomposed."""
    folder = tmp_path_factory.mktemp("outside")
    entries = write_scored(folder, CONTEXT)
    decomposed(folder, how(entries))
    return folder


def decomposed(folder: Path, settings: FusionSettings) -> None:
    """Train own members and decompose them with the outside ones of ``settings``."""
    own = train_members(folder, CONTEXT, settings, ("narrow",))
    paths = {name: each.model for name, each in settings.pool.items()}
    (folder / "entries.json").write_text(json.dumps(paths))
    decompose(folder / "pool", CONTEXT, *own, settings, (0,), scores=folder / "scores")


def entries_of(folder: Path) -> dict[str, OutsideModel]:
    paths = json.loads((folder / "entries.json").read_text())
    return {
        name: OutsideModel("t0" if name == "risk" else "t1", model=path, reference="none")
        for name, path in paths.items()
    }


def fused(folder: Path, out: Path, variant: dict[str, object], **changes: object) -> EMM:
    fit_on = str(changes.pop("rows", "train"))
    train_fused(
        out,
        CONTEXT,
        name="emm",
        components=folder / "pool",
        training=training(),
        fusion=how(entries_of(folder), fit_on),
        settings=settings(**changes),
        arguments=variant,
    )
    model, _ = load_model(out / "seed-0", IDENTITY)
    assert isinstance(model, EMM)
    return model


def test_the_pool_has_the_outside_members(stage: Path) -> None:
    members = load_pool(stage / "pool/seed-0", IDENTITY).members
    assert [member.name for member in members.networks] == ["narrow/t0", "narrow/t1", "risk"]
    assert [member.name for member in members.opaque] == ["boost"]
    assert {len(member.levels) for member in members.networks} == {2}


def test_the_facts_about_every_member_are_stored(stage: Path) -> None:
    facts = {fact.name: fact for fact in load_facts(stage / "pool/seed-0")}
    assert {name: (fact.kind, fact.join, fact.outside) for name, fact in facts.items()} == {
        "narrow/t0": ("network", "cut", False),
        "narrow/t1": ("network", "cut", False),
        "risk": ("onnx", "cut", True),
        "gbdt/t0": ("trees", "rounds", False),
        "gbdt/t1": ("trees", "rounds", False),
        "boost": ("onnx", "opaque", True),
    }
    assert {fact.share for fact in facts.values()} == {1 / 3}
    assert (facts["risk"].validation, facts["risk"].train) == (0.7, 0.71)
    assert facts["risk"].checked is not None
    assert facts["risk"].checked.rows == 60
    assert facts["boost"].checked is None


@pytest.mark.parametrize("split", ["train", "validation", "out-of-fold"])
def test_outside_members_have_the_same_scores_in_and_out_of_fold(stage: Path, split: str) -> None:
    folder = stage / "pool/seed-0"
    members = load_pool(folder, IDENTITY).members
    source = "validation" if split == "validation" else "train"
    rows = len(getattr(CONTEXT, source))
    found = load_cached_predictions(folder, members, split, rows)
    opaque = original_logits(stage, "boost", source, CONTEXT)
    torch.testing.assert_close(found[:, -6], opaque[:, 0])
    scores = load_file(stage / "scores/risk/scores.safetensors")[source]
    assert torch.equal(found[:, -5:], scores)
    offsets = found[:, 4:7]  # of the networks, behind two tree ensembles of two levels each
    assert not offsets[:, 2].any()
    assert offsets[:, :2].any() == (split == "out-of-fold")


def test_a_network_that_shares_no_layer_with_the_others_is_opaque(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = write_scored(tmp_path, CONTEXT, {"risk": "cut", "odd": "unlike", "boost": "opaque"})
    decomposed(tmp_path, how(entries))
    assert "odd joins as an opaque member: none of its layers is like" in capsys.readouterr().err
    members = load_pool(tmp_path / "pool/seed-0", IDENTITY).members
    assert [member.name for member in members.networks] == ["narrow/t0", "narrow/t1", "risk"]
    assert [member.name for member in members.opaque] == ["boost", "odd"]
    scores = load_file(tmp_path / "pool/scores/odd/scores.safetensors")
    for split, found in scores.items():
        expected = original_logits(tmp_path, "odd", split, CONTEXT)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    facts = {fact.name: fact.join for fact in load_facts(tmp_path / "pool/seed-0")}
    assert facts["odd"] == "opaque"
    emm = fused(tmp_path, tmp_path / "emm", ALIGNED)
    assert emm.scored_names[:2] == ("boost", "odd")


def test_an_adapter_cuts_a_network_of_other_widths(tmp_path: Path) -> None:
    entries = write_scored(tmp_path, CONTEXT, {"odd": "unlike"})
    decomposed(tmp_path, fusion("train", pool=entries, adapter="linear"))
    members = load_pool(tmp_path / "pool/seed-0", IDENTITY).members
    assert [member.name for member in members.networks][-1] == "odd"
    assert not members.opaque


@pytest.mark.parametrize(
    ("variant", "rows"),
    [(ALIGNED, "train"), (GATES, "out-of-fold"), ({"variant": "paper"}, "held-out")],
    ids=["aligned", "gates out of fold", "paper held out"],
)
def test_fused_models_learn_and_keep_scores_and_facts(
    stage: Path, tmp_path: Path, variant: dict[str, object], rows: str
) -> None:
    start = Start(towers="frozen") if rows == "out-of-fold" else Start()
    fused(stage, tmp_path / "emm", variant, rows=rows, start=start)
    kept = load_file(tmp_path / "emm/seed-0/scores.safetensors")
    assert {split: tuple(x.shape) for split, x in kept.items()} == {
        "validation": (120, 6),
        "test": (TEST_ROWS, 6),
    }
    facts = load_facts(tmp_path / "emm/seed-0")
    for task in ("t0", "t1"):
        assert sum(fact.share for fact in facts if fact.task == task) == pytest.approx(1)


def test_a_second_phase_says_what_does_not_learn(
    stage: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fused(stage, tmp_path / "emm", ALIGNED, second=Phase(0.01, 1))
    said = capsys.readouterr().err
    assert "gbdt/t0, gbdt/t1, boost: not learning in the second phase" in said
    assert "risk: learning from the second layer on" in said


def processed(folder: Path) -> Path:
    """The test split of the tiny dataset."""
    folder.mkdir()
    write_schema(CONTEXT.schema, folder / "schema.json")
    part = table(TEST_ROWS, 2)
    columns = {name: part.dense[:, n].numpy() for n, name in enumerate(NUMBERS)}
    columns["id"] = part.sparse[:, 0].numpy()
    labels = {label_column(t): part.labels[:, n].numpy() for n, t in enumerate(("t0", "t1"))}
    pl.DataFrame(columns | labels).write_parquet(folder / "test.parquet")
    return folder


def test_an_ensemble_is_evaluated_as_the_mean_of_its_members(stage: Path, tmp_path: Path) -> None:
    fused(stage, tmp_path / "emm", {"variant": "ensemble"})
    data = processed(tmp_path / "processed")
    about = json.loads((tmp_path / "emm/seed-0/model.json").read_text())
    about["description"]["schema_sha256"] = schema_hash(data / "schema.json")
    (tmp_path / "emm/seed-0/model.json").write_text(json.dumps(about))
    (tmp_path / "out").mkdir()
    evaluate(
        tmp_path / "emm",
        data,
        tmp_path / "out",
        name="emm",
        seeds=(0,),
        bins=5,
        device="cpu",
        threads=1,
        deterministic=False,
    )
    found = load_file(tmp_path / "out/predictions.safetensors")["logits"][0]
    rows, expected = table(TEST_ROWS, 2), []
    trees, _ = load_model(stage / "gbdt/seed-0", IDENTITY)
    with torch.inference_mode():
        of_trees = trees(rows.dense, rows.sparse)
        for number, (task, name) in enumerate({"t0": "risk", "t1": "boost"}.items()):
            own, _ = load_model(stage / f"narrow/seed-0/{task}", IDENTITY)
            outside = original_logits(stage, name, "test", CONTEXT)[:, 0]
            own_logits = own(rows.dense, rows.sparse)[:, 0]
            expected.append((own_logits + of_trees[:, number] + outside) / 3)
    torch.testing.assert_close(found, torch.stack(expected, 1), rtol=1e-5, atol=1e-5)
    members = json.loads((tmp_path / "out/members.json").read_text())
    assert members["seeds"] == [0]
    assert [x["share"] for x in members["members"]] == [[1 / 3]] * 6


def copied(stage: Path, folder: Path) -> tuple[Path, dict[str, OutsideModel]]:
    shutil.copytree(stage / "scores", folder / "scores")
    return folder / "scores", entries_of(stage)


def run(stage: Path, folder: Path, scores: Path, entries: dict[str, OutsideModel]) -> None:
    own = {"narrow": stage / "narrow"}, {"gbdt": stage / "gbdt"}
    decompose(folder / "pool", CONTEXT, *own, how(entries), (0,), scores=scores)


def test_scores_of_another_file_are_refused(stage: Path, tmp_path: Path) -> None:
    scores, entries = copied(stage, tmp_path)
    other = tmp_path / "other.onnx"
    shutil.copy(stage / "risk.onnx", other)
    entries["boost"] = OutsideModel("t1", model=str(other), reference="none")
    with pytest.raises(ModelFileError, match="the scores of boost are those of another model"):
        run(stage, tmp_path, scores, entries)


def test_layers_that_give_something_else_than_the_original_are_refused(
    stage: Path, tmp_path: Path
) -> None:
    scores, entries = copied(stage, tmp_path)
    path = scores / "risk/layers.safetensors"
    weights = load_file(path)
    save_file({name: 1.001 * value for name, value in weights.items()}, path)
    with pytest.raises(DecompositionError, match="risk predicts something else when it is rebuilt"):
        run(stage, tmp_path, scores, entries)


@pytest.mark.parametrize("name", ["risk", "boost"])
def test_missing_scores_are_an_error(stage: Path, tmp_path: Path, name: str) -> None:
    scores, entries = copied(stage, tmp_path)
    shutil.rmtree(scores / name)
    with pytest.raises(ModelFileError, match="can't be read"):
        run(stage, tmp_path, scores, entries)


def test_without_outside_models_nothing_is_added(stage: Path, tmp_path: Path) -> None:
    run(stage, tmp_path, tmp_path / "none", {})
    folder = tmp_path / "pool"
    assert sorted(path.name for path in folder.iterdir()) == ["seed-0"]
    assert sorted(path.name for path in (folder / "seed-0").iterdir()) == [
        "components.json",
        "components.safetensors",
        "given.safetensors",
    ]
