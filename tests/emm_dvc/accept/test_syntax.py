"""Which changes of code are the same program."""

import pytest

from emm_dvc.accept.syntax import first_difference

LIBRARY = '''
"""A module."""

from functools import partial

LIMIT = 3


def scale(values, factor=2, *, offset=0):
    """Scale values."""
    return [value * factor + offset for value in values]


def _helper(first, second):
    return first - second


class Layer:
    """A layer."""

    def __init__(self, width, *, dropout=0.0):
        self.width = width
        self.dropout = dropout

    def forward(self, inputs):
        total = _helper(inputs, self.width)
        return total
'''
USER = """
from lib import LIMIT, Layer, scale

def main(count):
    layer = Layer(4, dropout=0.5)
    return scale([layer.forward(number) for number in range(count)], factor=LIMIT)
"""


def compare(library: str = LIBRARY, user: str = USER) -> str | None:
    old = {"src/lib.py": LIBRARY, "src/user.py": USER}
    return first_difference(old, {"src/lib.py": library, "src/user.py": user})


def edited(text: str, *changes: tuple[str, str]) -> str:
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize(
    ("library", "user"),
    [
        pytest.param([("A module.", "Layers.")], [], id="docstring of a module"),
        pytest.param([('    """A layer."""\n', "")], [], id="docstring removed"),
        pytest.param([("LIMIT = 3", "LIMIT = 3  # how many\n# more")], [], id="comment"),
        pytest.param([("total", "difference")], [], id="local variable"),
        pytest.param([("for value in", "for each in"), ("[value *", "[each *")], [], id="loop"),
        pytest.param([("scale", "rescale")], [("scale", "rescale")], id="function"),
        pytest.param([("LIMIT", "MOST")], [("LIMIT", "MOST")], id="constant's name"),
        pytest.param(
            [],
            [("scale", "s"), ("import LIMIT, Layer, s", "import LIMIT, Layer, scale as s")],
            id="import as",
        ),
        pytest.param([], [("LIMIT, Layer, scale", "scale, Layer, LIMIT")], id="order of imports"),
        pytest.param([("factor", "by")], [("factor=", "by=")], id="parameter"),
        pytest.param([("first", "a"), ("second", "b")], [], id="private parameters"),
        pytest.param([("Layer", "Linear")], [("Layer", "Linear")], id="class"),
        pytest.param([("_helper", "_minus")], [], id="private function"),
        pytest.param([], [("main(count)", "main(n)"), ("range(count)", "range(n)")], id="entry"),
    ],
)
def test_the_same_program(library: list[tuple[str, str]], user: list[tuple[str, str]]) -> None:
    assert compare(edited(LIBRARY, *library), edited(USER, *user)) is None


@pytest.mark.parametrize(
    ("library", "user", "message"),
    [
        pytest.param([("LIMIT = 3", "LIMIT = 4")], [], "src/lib.py:6: 3 became 4", id="constant"),
        pytest.param([("LIMIT = 3", "LIMIT = 3.0")], [], "3 became 3.0", id="type of a constant"),
        pytest.param(
            [("first - second", "second - first")], [], "in one place, 'second' here", id="operands"
        ),
        pytest.param([("first - second", "first + second")], [], "Sub became Add", id="operator"),
        pytest.param([("offset=0)", "offset=1)")], [], "0 became 1", id="default"),
        pytest.param(
            [("dropout", "rate")],
            [("dropout", "rate")],
            "'dropout' became 'rate'",
            id="keyword-only parameter of a class",
        ),
        pytest.param([("width", "size")], [], "'width' became 'size'", id="parameter of a class"),
        pytest.param(
            [("offset", "shift")],
            [],
            "'offset' became 'shift'",
            id="keyword-only parameter of a public function",
        ),
        pytest.param(
            [("self.width", "self.size")], [], "attribute 'width' became 'size'", id="attribute"
        ),
        pytest.param(
            [("forward", "call")], [("forward", "call")], "'forward' became 'call'", id="method"
        ),
        pytest.param([], [("factor=", "offset=")], "'factor' became 'offset'", id="argument"),
        pytest.param([("scale", "rescale")], [], "'scale' became", id="half a rename"),
        pytest.param([], [("number in", "layer in")], "something else", id="another variable"),
        pytest.param([], [("range(count)", "range(LIMIT)")], "something else", id="global"),
        pytest.param([], [("range(count)", "len(count)")], "'range' became 'len'", id="builtin"),
        pytest.param(
            [("import partial", "import reduce")], [], "other imports: partial, reduce", id="import"
        ),
        pytest.param(
            [("    total =", "    print(inputs)\n        total =")], [], "print(inputs)", id="added"
        ),
        pytest.param(
            [("        return total\n", "")], [], "return total was removed", id="removed"
        ),
        pytest.param([("def _helper(", "@partial\ndef _helper(")], [], "partial", id="decorator"),
    ],
)
def test_another_program(
    library: list[tuple[str, str]], user: list[tuple[str, str]], message: str
) -> None:
    found = compare(edited(LIBRARY, *library), edited(USER, *user))
    assert found is not None
    assert message in found


def difference(old: str, new: str) -> str | None:
    return first_difference({"a.py": old}, {"a.py": new})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(
            "def f(): pass\nnames = ['f']", "def g(): pass\nnames = ['f']", id="name in a string"
        ),
        pytest.param(
            "class A: pass\nx = type(A()).__name__",
            "class B: pass\nx = type(B()).__name__",
            id="name of a class is read",
        ),
        pytest.param(
            "import app\n@app.command()\ndef f(): pass",
            "import app\n@app.command()\ndef g(): pass",
            id="decorator reads the name",
        ),
        pytest.param(
            "def f(a): return a\nprint(map(f, []))",
            "def f(b): return b\nprint(map(f, []))",
            id="parameter of a callback",
        ),
        pytest.param(
            "def f(a): return a\nf(**{})", "def f(b): return b\nf(**{})", id="unpacked arguments"
        ),
        pytest.param(
            "def f(a, **more): return a", "def f(b, **more): return b", id="further keywords"
        ),
        pytest.param(
            "def f():\n    x = 1\n    return locals()",
            "def f():\n    y = 1\n    return locals()",
            id="local names are read",
        ),
        pytest.param(
            "def f():\n    'Text.'\nprint(f.__doc__)",
            "def f():\n    'Other.'\nprint(f.__doc__)",
            id="docstrings are read",
        ),
        pytest.param("x = 1\nprint(f'{x=}')", "y = 1\nprint(f'{y=}')", id="name in an f-string"),
        pytest.param("__all__ = ['f']\ndef f(): pass", "__all__ = ['g']\ndef f(): pass", id="all"),
        pytest.param("import a.b\na.b.f()", "import a.c\na.c.f()", id="another module"),
        pytest.param("x = [1, 2]", "x = (1, 2)", id="another type"),
        pytest.param("def f(): yield 1", "def f(): return 1", id="another statement"),
        pytest.param("async def f(): pass", "def f(): pass", id="no coroutine"),
        pytest.param("x = y = 1\nprint(x)", "x = y = 1\nprint(y)", id="another global"),
        pytest.param("x = 0.0", "x = -0.0", id="sign of zero"),
        pytest.param("x = 1", "x = = 1", id="no Python"),
    ],
)
def test_a_change_that_may_alter_results(old: str, new: str) -> None:
    assert difference(old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("__all__ = ['f']\ndef f(): pass", "__all__ = ['g']\ndef g(): pass"),
        (
            "try:\n    f()\nexcept OSError as e:\n    print(e)",
            "try:\n    f()\nexcept OSError as error:\n    print(error)",
        ),
        ("match 1:\n    case [a, *b]: print(a, b)", "match 1:\n    case [c, *d]: print(c, d)"),
        (
            "match 1:\n    case {'k': a, **b}: print(b)",
            "match 1:\n    case {'k': c, **d}: print(d)",
        ),
        ("n = 0\ndef f():\n    global n\n    n = 1", "m = 0\ndef f():\n    global m\n    m = 1"),
        (
            "def f():\n    print([y for x in [] if (y := x)], y)",
            "def f():\n    print([b for a in [] if (b := a)], b)",
        ),
        ("f = lambda a, b: a - b", "f = lambda x, y: x - y"),
        (
            "def f():\n    def g(a): return a\n    return g(a=1)",
            "def f():\n    def h(b): return b\n    return h(b=1)",
        ),
        ("def f(*a, **b): return a, b", "def f(*c, **d): return c, d"),
        ("x: int = 1\nprint(x)", "y: int = 1\nprint(y)"),
    ],
)
def test_renames_of_every_kind_of_name(old: str, new: str) -> None:
    assert difference(old, new) is None
    assert difference(new, old) is None


def test_a_name_of_a_module_that_is_used_as_its_attribute() -> None:
    old = {"src/p/a.py": "def f(): pass", "src/p/b.py": "from p import a\na.f()"}
    old |= {"src/p/__init__.py": "from p.a import f", "src/c.py": "import p.a\nprint(p.f, p.a.f)"}
    new = {
        path: text.replace("f()", "g()").replace("import f", "import g")
        for path, text in old.items()
    }
    assert first_difference(old, new | {"src/c.py": "import p.a\nprint(p.g, p.a.g)"}) is None
    assert first_difference(old, new) is not None


def test_files_that_were_added_or_removed() -> None:
    assert first_difference({"a.py": ""}, {"a.py": "", "b.py": ""}) == "b.py was added"
    assert first_difference({"a.py": "", "b.py": ""}, {"a.py": ""}) == "b.py was removed"
