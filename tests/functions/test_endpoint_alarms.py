"""No code path reaches CreateEndpoint or UpdateEndpoint without the check of the rollback alarms before it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = ("layers/shared/python/tunesmith", "functions", "batch_jobs", "scripts")
ONLY_PLACE = "layers/shared/python/tunesmith/adapters/endpoints.py"
CALLS = {"create_endpoint", "update_endpoint", "CreateEndpoint", "UpdateEndpoint"}
CHECK = "require_alarms"


def mentions(tree: ast.AST) -> list[ast.AST]:
    """Where the calls are made, or spelled for a call by name."""
    return [
        node
        for node in ast.walk(tree)
        if (isinstance(node, ast.Attribute) and node.attr in CALLS)
        or (isinstance(node, ast.Constant) and node.value in CALLS)
    ]


def unchecked(source: str) -> Iterator[int]:
    """Lines of calls that are not in a function whose earlier, unconditional statement is the check."""
    tree = ast.parse(source)
    guarded: set[int] = set()
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            checks = [number for number, statement in enumerate(function.body) if is_check(statement)]
            for statement in function.body[checks[0] + 1 :] if checks else []:
                guarded |= {id(node) for node in mentions(statement)}
    yield from (node.lineno for node in mentions(tree) if id(node) not in guarded)


def is_check(statement: ast.stmt) -> bool:
    """`require_alarms(...)` or `names = require_alarms(...)`: a statement that raises unless the alarms are there."""
    value = statement.value if isinstance(statement, ast.Assign | ast.Expr) else None
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == CHECK


def sources() -> list[str]:
    return sorted(path.relative_to(ROOT).as_posix() for folder in OURS for path in (ROOT / folder).rglob("*.py"))


def test_endpoints_are_made_and_changed_in_one_place_only():
    assert [place for place in sources() if mentions(ast.parse((ROOT / place).read_text()))] == [ONLY_PLACE]


def test_that_place_makes_none_before_the_check():
    assert list(unchecked((ROOT / ONLY_PLACE).read_text())) == []


@pytest.mark.parametrize(
    "planted",
    [
        "def f():\n    client().create_endpoint(EndpointName='e')",
        "def f():\n    client().update_endpoint(EndpointName='e')\n    require_alarms('e')",
        "def f():\n    if careful:\n        require_alarms('e')\n    client().create_endpoint(EndpointName='e')",
        "def f():\n    getattr(client(), 'update_endpoint')(EndpointName='e')",
        "client().create_endpoint(EndpointName='e')",
    ],
)
def test_planted_call_without_the_check_is_caught(planted):
    assert list(unchecked(planted))


def test_call_after_the_check_passes():
    assert list(unchecked("def f():\n    require_alarms('e')\n    client().create_endpoint(EndpointName='e')")) == []
