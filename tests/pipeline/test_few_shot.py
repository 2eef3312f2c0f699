"""The stages of few-shot images in the real pipeline, on a tiny generated image set."""

import json
import re

import pytest

from emm.core.files import sha256
from fewshot.omniglot import ARCHIVES, digest, read_archive
from tests.configuration import Tree
from tests.fewshot.drawings import members, write_zip
from tests.pipeline.workspace import PARAMS, Workspace

pytestmark = pytest.mark.slow

KIND = "5-way-1-shot"
STAGES = {
    "fewshot-download@omniglot",
    "fewshot-prepare@omniglot",
    f"fewshot-train@omniglot-{KIND}",
    "fewshot-train@omniglot-20-way-1-shot",
    f"fewshot-test@omniglot-{KIND}",
    "fewshot-test@omniglot-20-way-1-shot",
    "fewshot-report@omniglot",
}
MODEL = f"data/models/omniglot/paper/maml-{KIND}"


def use_drawn(data: Tree) -> None:
    data["source"]["path"] = "drawn"
    data["side"] = 14
    data["split"].update(train=6, validation=3)


def make_small(paper: Tree) -> None:
    for settings in paper.values():
        settings.update(ways=2, device="cpu", network={"filters": 3, "blocks": 2, "pooled": True})
        settings["training"].update(iterations=4, tasks=2)
        settings["validation"].update(every=2, episodes=4)
        settings["test"].update(episodes=6, queries=[1, 2])


@pytest.fixture
def drawn(untouched: Workspace) -> Workspace:
    """A repository with few-shot images active and generated archives as the published ones."""
    manifest = untouched.root / "src/fewshot/omniglot.py"
    text = manifest.read_text()
    for archive in ARCHIVES:
        path = write_zip(untouched.root / "drawn" / archive.file, members(archive.part, 6))
        text = text.replace(archive.sha256, sha256(path))
        text = text.replace(archive.drawings_sha256, digest(read_archive(path)))
    manifest.write_text(text)
    untouched.change(PARAMS, lambda tree: tree.update(images=["omniglot"]))
    untouched.change("conf/omniglot/data.yaml", use_drawn)
    untouched.change("conf/omniglot/paper.yaml", make_small)
    return untouched


def test_pipeline_writes_metrics_and_a_report(drawn: Workspace) -> None:
    ran = drawn.repro("fewshot-report@omniglot")
    assert ran == STAGES
    found = json.loads((drawn.root / "metrics/omniglot/paper/maml.json").read_text())
    assert 0 <= found[KIND]["queries_2"]["accuracy"] <= 1
    page = (drawn.root / "reports/omniglot.md").read_text()
    figures = re.findall(r"\]\((omniglot/\S+)\)", page)
    assert all((drawn.root / "reports" / figure).is_file() for figure in figures)
    assert not list((drawn.root / ".emm/checkpoints").rglob("state.json"))
    assert drawn.repro("fewshot-report@omniglot") == set()

    # The same seed gives the same bytes.
    weights = sha256(drawn.root / MODEL / "maml.safetensors")
    drawn.repro("--force", "--single-item", f"fewshot-train@omniglot-{KIND}")
    assert sha256(drawn.root / MODEL / "maml.safetensors") == weights


def test_bad_archive_fails_with_one_message(drawn: Workspace) -> None:
    path = drawn.root / "drawn/images_evaluation.zip"
    path.write_bytes(path.read_bytes()[:-100])
    found = drawn.stage("fewshot_download", "omniglot")
    assert found.returncode == 1
    assert "source.path in conf/omniglot/data.yaml does not lead to" in found.stderr
    assert "Traceback" not in found.stderr
    assert not (drawn.root / "data/raw/omniglot").exists()
