"""What a model's file is, by its first bytes: a format that is read here, or one that is refused.

No file is loaded to find this out. A pickle in particular runs code as soon as it is loaded.
"""

import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from emm.core.errors import ModelFileError

Format = Literal["lightgbm", "xgboost", "catboost"]

HEAD = 4096  # bytes by which a format is recognised
FIRST_KEY = re.compile(rb'\s*\{\s*"([^"]{0,64})"')
UBJSON_KEY = re.compile(rb"\{[iUIlL][\x00-\x20]{0,8}(learner|version)", re.DOTALL)

_KEYS: Mapping[bytes, Format] = {
    b"learner": "xgboost",
    b"version": "xgboost",
    b"ctr_data": "catboost",
    b"features_info": "catboost",
    b"model_info": "catboost",
    b"oblivious_trees": "catboost",
    b"scale_and_bias": "catboost",
    b"trees": "catboost",
}


@dataclass(frozen=True)
class Refusal:
    """A kind of file that is refused: what it is, and the lines that save the model readably."""

    what: str
    next_step: str


_ONNX = """export the model to ONNX where it was trained:
    onx = skl2onnx.to_onnx(model, frame[:1], options={"zipmap": False})
    open("model.onnx", "wb").write(onx.SerializeToString())"""
_TORCH = """export the network to ONNX where it was trained:
    model.eval()
    torch.onnx.export(model, (rows,), "model.onnx", dynamo=True, dynamic_shapes=({0: "rows"},))"""
_KERAS = """export the network to ONNX where it was trained:
    model.export("model.onnx", format="onnx")"""
_LIGHTGBM = 'save it with booster.save_model("model.txt"); a classifier has its booster_'
_XGBOOST = 'save it with model.save_model("model.json")'

PICKLE = Refusal("is a pickle, which could run code when it is loaded", _ONNX)
JOBLIB = Refusal("is a compressed pickle, as joblib writes it, which could run code", _ONNX)
TORCH = Refusal("holds a PyTorch network or its weights as a pickle, which could run code", _TORCH)
KERAS = Refusal("is a Keras model", _KERAS)
LIGHTGBM_DUMP = Refusal("is what LightGBM's dump_model shows, not a saved model", _LIGHTGBM)
XGBOOST_DUMP = Refusal(
    "is what XGBoost's dump_model shows, with rounded numbers and without its base score", _XGBOOST
)
XGBOOST_CONFIG = Refusal("is XGBoost's configuration (save_config), which has no trees", _XGBOOST)
XGBOOST_BUFFER = Refusal("is a Booster as XGBoost serialises it, not a saved model", _XGBOOST)
XGBOOST_BINARY = Refusal(
    "is in XGBoost's old binary format, which current versions can't read either",
    f"load it with XGBoost 1.0 to 3.0, and {_XGBOOST}",
)
SAFETENSORS = Refusal(
    "holds weights without the network that they belong to",
    "name it as `weights`, and the function that builds the network as `factory`",
)
ARCHIVE = Refusal("is a zip archive of an unknown kind", _ONNX)

_STARTS: Mapping[bytes, Refusal] = {
    b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.": TORCH,  # before PyTorch 1.6
    b"\x80": PICKLE,
    **dict.fromkeys((b"ccopy_reg\n", b"c__builtin__\n", b"(dp", b"(lp"), PICKLE),  # as text
    **dict.fromkeys((b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda"), JOBLIB),  # zlib
    **dict.fromkeys((b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x5d\x00\x00", b"\x04\x22\x4d"), JOBLIB),
    b"\x89HDF": KERAS,
    b"booster[": XGBOOST_DUMP,
    b"CONFIG-offset:": XGBOOST_BUFFER,
    **dict.fromkeys((b"binf", b"bs64"), XGBOOST_BINARY),
}


def recognise(path: Path) -> Format | None:
    """The format of a file of trees, or None for any other file, which may be ONNX.

    Raises ModelFileError, with the lines that save the model readably, for files that hold trained
    models in forms that are refused: pickles, dumps, configurations; and for unreadable files.
    """
    head = _head(path)
    refusal = _refusal(path, head)
    if refusal is not None:
        raise refused(path, refusal)
    if head.split(b"\n")[0].strip() == b"tree":
        return "lightgbm"
    if head[:4] == b"CBM1":
        return "catboost"
    if UBJSON_KEY.match(head):
        return "xgboost"
    key = FIRST_KEY.match(head)
    return _KEYS.get(key[1]) if key else None


def refused(path: Path, refusal: Refusal) -> ModelFileError:
    """The error for a file of this kind."""
    return ModelFileError(f"the model file {refusal.what}", where=path, next_step=refusal.next_step)


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(HEAD)
    except OSError as error:
        raise ModelFileError(
            f"the model file can't be read: {error.strerror}",
            where=path,
            next_step="check the path",
        ) from error


def _refusal(path: Path, head: bytes) -> Refusal | None:
    for start, refusal in _STARTS.items():
        if head.startswith(start):
            return refusal
    if head.startswith(b"PK\x03\x04"):
        return _archive(path)
    if head[8:10] == b'{"' and int.from_bytes(head[:8], "little") < path.stat().st_size:
        return SAFETENSORS
    key = FIRST_KEY.match(head)
    if key and key[1] in (b"name", b"tree_info") and b'"num_tree_per_iteration"' in head:
        return LIGHTGBM_DUMP
    if head.lstrip()[:1] == b"[" and b'"nodeid"' in head:
        return XGBOOST_DUMP
    return None


def _archive(path: Path) -> Refusal:
    """What kind of zip archive it is, by the names of its files."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.rpartition("/")[2] for name in archive.namelist()}
    except (OSError, ValueError, zipfile.BadZipFile):
        return ARCHIVE
    if "data.pkl" in names or "constants.pkl" in names:
        return TORCH
    return KERAS if "model.weights.h5" in names else ARCHIVE
