import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc_data.hashfile.tree import Tree
from hypothesis import given
from hypothesis import strategies as st

from emm_dvc.verify.outs import Out, VerifyError, folder_md5, read_list, read_outs

MD5 = "0123456789abcdef" * 2
GRAPH = {
    "stages": {
        "train": {
            "foreach": ["a"],
            "do": {
                "cmd": "x",
                "outs": ["data/${item}", {"metrics/${item}/${recipe}": {"cache": False}}],
            },
        }
    }
}


def project(root: Path, *outs: dict[str, Any], graph: Any = GRAPH) -> Path:
    lock = {"schema": "2.0", "stages": {"train@a": {"cmd": "x", "outs": list(outs)}}}
    (root / "dvc.yaml").write_text(yaml.safe_dump(graph))
    (root / "dvc.lock").write_text(yaml.safe_dump(lock))
    return root


def out(path: str, md5: str = MD5) -> dict[str, Any]:
    return {"path": path, "hash": "md5", "md5": md5, "size": 3}


def test_outs_are_read_from_the_lock_and_some_are_kept_by_git(tmp_path: Path) -> None:
    root = project(tmp_path, out("data/a", f"{MD5}.dir"), out("metrics/a/paper"))
    assert read_outs(root) == [
        Out("train@a", Path("data/a"), f"{MD5}.dir", cached=True),
        Out("train@a", Path("metrics/a/paper"), MD5, cached=False),
    ]


def test_paths_of_a_lock_in_a_subfolder_start_at_the_working_folder_of_the_stage(
    tmp_path: Path,
) -> None:
    stages = {"train": {"wdir": "..", "cmd": "x", "outs": ["study/data"]}, "b": {"cmd": "x"}}
    (tmp_path / "study").mkdir()
    project(tmp_path / "study", out("study/data"), graph={"stages": stages})
    (found,) = read_outs(tmp_path)
    assert (found.stage, found.path) == ("study/dvc.yaml:train@a", Path("study/data"))


def test_a_folder_that_is_a_dvc_project_is_left_out(tmp_path: Path) -> None:
    root = project(tmp_path, out("data/a"))
    (tmp_path / "study/.dvc").mkdir(parents=True)
    project(tmp_path / "study", out("data/b"))
    assert [found.path for found in read_outs(root)] == [Path("data/a")]
    assert [found.path for found in read_outs(root / "study")] == [Path("data/b")]


@pytest.mark.parametrize("path", ["/etc/passwd", "../secret", "data/../../secret", "..", "a\\b"])
def test_a_lock_that_leads_out_of_the_project_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(VerifyError, match="outside the project"):
        read_outs(project(tmp_path, out(path)))


def test_a_working_folder_outside_the_project_is_refused(tmp_path: Path) -> None:
    graph = {"stages": {"train": {"wdir": "../other", "cmd": "x"}}}
    with pytest.raises(VerifyError, match="outside the project"):
        read_outs(project(tmp_path, out("data/a"), graph=graph))


@pytest.mark.parametrize("md5", ["None", "../../../etc/passwd", MD5[1:], f"{MD5}.dir.dir"])
def test_an_out_without_an_md5_is_refused(tmp_path: Path, md5: str) -> None:
    with pytest.raises(VerifyError, match="without an md5"):
        read_outs(project(tmp_path, out("data/a", md5)))


@pytest.mark.parametrize(
    "text", ["stages: 3\n", "a: [\n", "", "stages:\n  s: 1\n", "stages:\n  s:\n    outs: [1]\n"]
)
def test_a_file_that_is_no_lock_is_refused(tmp_path: Path, text: str) -> None:
    project(tmp_path)
    (tmp_path / "dvc.lock").write_text(text)
    with pytest.raises(VerifyError, match="can't be used"):
        read_outs(tmp_path)


def test_a_folder_without_a_lock_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VerifyError, match=r"no dvc\.lock"):
        read_outs(tmp_path)


NAMES = st.lists(st.sampled_from(["a", "a b", "B", "a-b", "é"]), min_size=1, max_size=3).map(
    "/".join
)
FILES = st.dictionaries(NAMES, st.sampled_from([MD5, MD5[::-1]]))


@given(FILES)
def test_the_md5_and_the_list_of_a_folder_are_those_of_dvc(files: dict[str, str]) -> None:
    tree = Tree.from_list(
        [{"relpath": path, "md5": md5} for path, md5 in files.items()], hash_name="md5"
    )
    tree.digest()
    assert folder_md5(files) == tree.hash_info.value
    assert read_list(tree.as_bytes(), tree.hash_info.value) == files


def listed(entries: Any) -> tuple[bytes, str]:
    content = json.dumps(entries).encode()
    return content, hashlib.md5(content).hexdigest() + ".dir"


def test_an_altered_list_is_not_read() -> None:
    content, md5 = listed([{"md5": MD5, "relpath": "../a"}])
    assert read_list(content + b" ", md5) is None


@pytest.mark.parametrize(
    "entries",
    [
        [{"md5": MD5, "relpath": "../../../secret"}],
        [{"md5": MD5, "relpath": "/etc/passwd"}],
        [{"md5": MD5, "relpath": "a/../../b"}],
        [{"md5": MD5, "relpath": "..\\b"}],
        [{"md5": MD5, "relpath": "a\0"}],
        [{"md5": "../../x", "relpath": "a"}],
        [{"md5": MD5}],
        {"md5": MD5},
        3,
    ],
)
def test_a_list_with_paths_outside_of_its_folder_is_refused(entries: Any) -> None:
    with pytest.raises(VerifyError, match="the list of a folder's files"):
        read_list(*listed(entries))


def test_a_list_that_is_too_deep_is_refused() -> None:
    content = b"[" * 100_000
    with pytest.raises(VerifyError, match="isn't a list of files"):
        read_list(content, hashlib.md5(content).hexdigest() + ".dir")
