"""Changing YAML files so that their comments and layout stay."""

from collections.abc import Callable, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from emm.core.errors import ParamsError
from emm.core.files import write_text


def edit_yaml(path: Path, change: Callable[[Any], object]) -> None:
    """Let ``change`` edit the mapping in a file, and write the file if that changed it.

    Raises ParamsError for what isn't YAML, such as a mapping that has a key twice.
    """
    from ruamel.yaml.error import MarkedYAMLError

    yaml_file, text = round_trip(), path.read_text(encoding="utf-8")
    try:
        tree = yaml_file.load(text) or yaml_file.load("{}")
    except MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f", line {error.problem_mark.line + 1}"
        raise ParamsError(
            f"{path} isn't YAML: {error.problem}", where=f"{path}{line}", next_step="correct it"
        ) from error
    tree.fa.set_block_style()
    change(tree)
    out = StringIO()
    yaml_file.dump(tree, out)
    if out.getvalue() != text:
        write_text(path, out.getvalue())


def laid_out(value: Any, *, block: bool = False) -> Any:
    """A value with its lists, and its mappings unless ``block``, each in one line."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    if isinstance(value, list | tuple):
        sequence = CommentedSeq(value)
        sequence.fa.set_flow_style()
        return sequence
    if isinstance(value, Mapping):
        keys = CommentedMap({key: laid_out(each) for key, each in value.items()})
        if not block:
            keys.fa.set_flow_style()
        return keys
    return value


def round_trip() -> Any:
    """Reads and writes YAML with comments and layout."""
    from ruamel.yaml import YAML  # a requirement of DVC

    file = YAML()
    file.preserve_quotes = True
    file.width = 4096
    file.representer.add_representer(
        type(None), lambda writer, _: writer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return file
