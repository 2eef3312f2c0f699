import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from emm.core.errors import ModelFileError
from emm.trees.native.formats import recognise

REFUSED = {
    "joblib, lz4": (b"\x04\x22\x4d\x18", "compressed pickle"),
    "joblib, gzip": (b"\x1f\x8b\x08", "compressed pickle"),
    "an old PyTorch file": (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "a PyTorch network"),
    "XGBoost's old format": (b"binf\x00\x00", "old binary format(.|\n)*XGBoost 1.0 to 3.0"),
    "a serialised Booster": (b"CONFIG-offset:\x00", "as XGBoost serialises it"),
    "HDF5": (b"\x89HDF\r\n", "a Keras model(.|\n)*model.export"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_files_are_refused_by_their_first_bytes(case: str, tmp_path: Path) -> None:
    content, message = REFUSED[case]
    (tmp_path / "m").write_bytes(content + b"\x00" * 100)
    with pytest.raises(ModelFileError, match=message):
        recognise(tmp_path / "m")


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ("archive/data.pkl", "a PyTorch network"),
        ("model.weights.h5", "a Keras model"),
        ("schema.json", "a zip archive of an unknown kind"),
    ],
)
def test_archives_are_refused_by_the_names_in_them(
    member: str, message: str, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "m", "w") as archive:
        archive.writestr(member, "")
    with pytest.raises(ModelFileError, match=message):
        recognise(tmp_path / "m")


def test_weights_without_a_network_are_refused(tmp_path: Path) -> None:
    save_file({"a": np.zeros(3)}, tmp_path / "m")
    with pytest.raises(ModelFileError, match=r"weights without the network(.|\n)*`factory`"):
        recognise(tmp_path / "m")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"tree\nversion=v4\n", "lightgbm"),
        (b'{"learner":{}}', "xgboost"),
        (b'\n{\n "version": [3, 2, 0]}', "xgboost"),
        (b"{L\x00\x00\x00\x00\x00\x00\x00\x07learner{", "xgboost"),
        (b"CBM1\x00", "catboost"),
        (b'{"ctr_data": {}}', "catboost"),
        (b"\x08\x0a\x12\x07pytorch", None),
        (b"", None),
    ],
)
def test_formats_are_recognised_by_their_content(
    content: bytes, found: str | None, tmp_path: Path
) -> None:
    (tmp_path / "m").write_bytes(content)
    assert recognise(tmp_path / "m") == found
