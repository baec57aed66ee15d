"""Tidy: the house rules that no linter knows, checked in well under a second."""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ("rules", "drivers", "daemon", "simulator")
FOLDERS = (*LAYERS, "bench", "tests", "deploy")
MODULE_LINES_MAX, FUNCTION_LINES_MAX, PARAMETERS_MAX = 400, 60, 6
MAY_IMPORT = {
    "rules": {"rules"},
    "drivers": {"drivers", "rules"},
    "daemon": {"daemon", "drivers", "rules"},
    "simulator": {"simulator", "drivers", "rules"},
}
VAGUE = {"utils", "util", "helpers", "helper", "manager", "misc", "common", "base"}
WRITE_CODES = {5, 6, 15, 16, 22, 23}
# What pymodbus calls its writes, and what anyone would call one of ours.
WRITE_NAME = re.compile(
    r"write_(coils?|registers?|single|multiple)|mask_write|readwrite_|read_write_multiple"
    r"|Write(Single|Multiple)(Coil|Register)|MaskWrite|ReadWriteMultiple"
)
LEFTOVER = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def module_faults(folder: str, name: str, text: str) -> Iterator[str]:
    """What is wrong with the text of one module; `name` is how the fault calls it."""
    yield from text_faults(name, text)
    tree = ast.parse(text)
    if folder in LAYERS:
        if text.strip() and ast.get_docstring(tree) is None:
            yield f"{name}: says nowhere what it guarantees (module docstring)"
        yield from import_faults(folder, name, tree)
    if folder == "drivers":
        yield from write_faults(name, tree)
    if folder == "tests" and Path(name).name != "conftest.py":
        yield from sleep_faults(name, tree)
    for node in ast.walk(tree):
        if isinstance(node, Function):
            yield from function_faults(folder, name, node)


def text_faults(name: str, text: str) -> Iterator[str]:
    """Length, name and leftover notes of a module."""
    if (lines := text.count("\n")) > MODULE_LINES_MAX:
        yield f"{name}: {lines} lines, at most {MODULE_LINES_MAX}; what are its two subjects?"
    if Path(name).stem in VAGUE:
        yield f"{name}: a module is named after its subject"
    for number, line in enumerate(text.splitlines(), start=1):
        if LEFTOVER.search(line) and Path(name).name != "test_tidy.py":
            yield f"{name}:{number}: a leftover note; do it, or write it where work is planned"


def function_faults(folder: str, name: str, node: Function) -> Iterator[str]:
    """Length and number of parameters."""
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    if lines > FUNCTION_LINES_MAX:
        yield f"{name}:{node.lineno}: {node.name} has {lines} lines, at most {FUNCTION_LINES_MAX}"
    positional = [a for a in node.args.posonlyargs + node.args.args if a.arg not in {"self", "cls"}]
    if folder in LAYERS and len(positional) > PARAMETERS_MAX:
        yield f"{name}:{node.lineno}: {node.name} takes {len(positional)} positional parameters"


def import_faults(folder: str, name: str, tree: ast.AST) -> Iterator[str]:
    """Imports point down, those inside functions and strings of importlib included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            modules = [node.module or ""]
        elif isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            modules = [str(a.value) for a in node.args if isinstance(a, ast.Constant)]
        else:
            continue
        for module in modules:
            head, _, rest = module.partition(".")
            layer = rest.split(".")[0]
            if head == "parkwatch" and layer not in MAY_IMPORT[folder]:
                yield f"{name}:{node.lineno}: {folder} may not import {layer or 'parkwatch'}"


def write_faults(name: str, tree: ast.AST) -> Iterator[str]:
    """No write to the field exists in drivers/: no call, no class, no function code."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            word = node.attr
        elif isinstance(node, ast.Name):
            word = node.id
        elif isinstance(node, ast.alias | ast.ClassDef | Function):
            word = node.name
        else:
            yield from write_code_faults(name, node)
            continue
        if WRITE_NAME.search(word):
            yield f"{name}:{node.lineno}: {word} writes to the field"


def write_code_faults(name: str, node: ast.AST) -> Iterator[str]:
    """A function code of a write, where the source calls a number a function code."""
    pairs: list[tuple[ast.expr, ast.expr | None]] = []
    if isinstance(node, ast.Assign):
        pairs = [(target, node.value) for target in node.targets]
    elif isinstance(node, ast.AnnAssign):
        pairs = [(node.target, node.value)]
    elif isinstance(node, ast.keyword) and node.arg:
        pairs = [(ast.Name(node.arg), node.value)]
    elif isinstance(node, ast.Compare):
        pairs = list(pairwise([node.left, *node.comparators]))
    for target, value in pairs:
        if not re.search(r"func|\bfc\b|_fc|fc_", ast.unparse(target).lower()) or value is None:
            continue
        for part in ast.walk(value):
            if isinstance(part, ast.Constant) and part.value in WRITE_CODES:
                yield f"{name}:{part.lineno}: function code {part.value} writes to the field"


def sleep_faults(name: str, tree: ast.AST) -> Iterator[str]:
    """Tests wait for facts: a sleep is allowed only as the pause of a polling loop."""
    polled = {
        id(inner)
        for loop in ast.walk(tree)
        if isinstance(loop, ast.While)
        for inner in ast.walk(loop)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or id(node) in polled:
            continue
        called = ast.unparse(node.func)
        if called not in {"time.sleep", "asyncio.sleep", "sleep"}:
            continue
        if called != "time.sleep" and node.args and ast.unparse(node.args[0]) == "0":
            continue  # gives way to other tasks, waits for no time
        yield f"{name}:{node.lineno}: a test waits for a fact, not for time (fixture wait_until)"


def sources() -> list[Path]:
    return sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def test_the_house_is_tidy() -> None:
    faults = [
        fault
        for path in sources()
        for fault in module_faults(
            path.relative_to(ROOT).parts[0],
            str(path.relative_to(ROOT)),
            path.read_text(encoding="utf-8"),
        )
    ]
    assert not faults, "\n".join(faults)


def test_something_was_looked_at() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in sources()} >= {*LAYERS, "tests"}


def test_no_file_of_ours_is_dead_weight() -> None:
    big = [
        path.relative_to(ROOT)
        for folder in (*FOLDERS, "docs", "requirements")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.stat().st_size > 1_000_000 and "__pycache__" not in path.parts
    ]
    assert not big


LONG_FUNCTION = '"""d"""\ndef f():\n' + "    pass\n" * FUNCTION_LINES_MAX


@pytest.mark.parametrize(
    ("folder", "text", "expected"),
    [
        ("rules", '"""d"""\n' + "a = 1\n" * MODULE_LINES_MAX, "401 lines"),
        ("rules", LONG_FUNCTION, "f has 61 lines"),
        ("rules", "a = 1\n", "says nowhere"),
        ("rules", '"""d"""\n# TODO later\n', "leftover"),
        (
            "rules",
            '"""d"""\nfrom parkwatch.drivers import source\n',
            "may not import drivers",
        ),
        ("drivers", '"""d"""\nimport parkwatch.daemon.app\n', "drivers may not import daemon"),
        (
            "daemon",
            '"""d"""\ndef f():\n    import parkwatch.simulator.cli\n',
            "daemon may not import simulator",
        ),
        (
            "daemon",
            '"""d"""\nimportlib.import_module("parkwatch.simulator")\n',
            "may not import",
        ),
        ("rules", '"""d"""\ndef f(a, b, c, d, e, g, h): ...\n', "7 positional parameters"),
        ("drivers", '"""d"""\nawait_ = client.write_register(1, 2)\n', "writes to the field"),
        ("drivers", '"""d"""\nfrom pymodbus.pdu import WriteSingleCoilRequest\n', "writes"),
        ("drivers", '"""d"""\nclass WriteMultipleRegisters: ...\n', "writes to the field"),
        ("drivers", '"""d"""\nFUNCTION_PRESET = 6\n', "function code 6"),
        ("drivers", '"""d"""\nsend(function_code=0x10)\n', "function code 16"),
        ("drivers", '"""d"""\nok = fc in (3, 4, 23)\n', "function code 23"),
        ("tests", "import time\ntime.sleep(1)\n", "not for time"),
        ("tests", "async def t():\n    await asyncio.sleep(0.1)\n", "not for time"),
    ],
)
def test_each_rule_finds_its_fault(folder: str, text: str, expected: str) -> None:
    found = list(module_faults(folder, f"{folder}/subject.py", text))
    assert len(found) == 1, found
    assert expected in found[0]


@pytest.mark.parametrize(
    ("folder", "text"),
    [
        ("rules", ""),
        ("rules", '"""d"""\n' + "a = 1\n" * (MODULE_LINES_MAX - 1)),
        ("rules", LONG_FUNCTION.removesuffix("    pass\n")),
        ("simulator", '"""d"""\nfrom parkwatch.drivers import modbus\n'),
        ("simulator", '"""d"""\nfunction_code = 6  # a simulated device counts writes\n'),
        ("drivers", '"""d"""\nok = function_code in (1, 2, 3, 4)\nretries = 5\n'),
        ("drivers", '"""d"""\nwriter.write(request)\n'),
        ("tests", "while not done():\n    time.sleep(0.01)\n"),
        ("tests", "async def t():\n    await asyncio.sleep(0)\n"),
    ],
)
def test_what_is_allowed_passes(folder: str, text: str) -> None:
    assert not list(module_faults(folder, f"{folder}/subject.py", text))


def test_a_vague_name_is_a_fault() -> None:
    assert list(module_faults("daemon", "daemon/utils.py", '"""d"""\n'))
