"""The stage `score`, run as a stage on a project of its own."""

from pathlib import Path

import pytest
from sklearn.linear_model import LogisticRegression

from emm.core.errors import ParamsError
from emm.outside.member import read_member
from stages.score import main as score
from tests.configuration import CENSUS, copy_conf, edit
from tests.outside.shop import export, pipeline, processed_shop

pytest.importorskip("onnxruntime")


def test_the_stage_writes_scores_next_to_what_it_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    params = copy_conf(tmp_path)
    Path("data/processed").mkdir(parents=True)
    processed_shop(Path("data/processed")).rename(f"data/processed/{CENSUS}")
    Path("pool").mkdir()
    export(pipeline(LogisticRegression(max_iter=300), "rich"), Path("pool/risk.onnx"))
    entry = {"task": "rich", "model": "pool/risk.onnx", "reference": "none"}
    pool = {"risk": {**entry, "output": "probabilities[:, 1]"}}
    edit(Path(f"conf/{CENSUS}/paper.yaml"), lambda tree: tree["fusion"].update(pool=pool))
    score(CENSUS, "risk", params)
    out = Path("data/scores", CENSUS, "paper/risk")
    assert {path.name for path in out.iterdir()} == {"member.json", "scores.safetensors"}
    assert read_member(out).name == "risk"
    with pytest.raises(ParamsError, match="no outside model is called 'rsk'; did you mean 'risk'"):
        score(CENSUS, "rsk", params)
