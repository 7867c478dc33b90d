"""docs/architecture.md says what the code does: import rules, tables and their queries, keys, stages, exit codes."""

import re
from pathlib import Path

from tests.architecture.test_imports import FORBIDDEN
from tunesmith.contracts import artifacts, environment
from tunesmith.contracts.environment import Environment
from tunesmith.contracts.jobs import ExitCode
from tunesmith.contracts.runs import Stage
from tunesmith.contracts.tables import TABLES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/architecture.md").read_text()
FUNCTIONS = {path.parent.name for path in (ROOT / "functions").glob("*/handler.py")}


def rows(header: str) -> list[list[str]]:
    """The cells of the table whose header row begins like this."""
    found = re.search(rf"^\| {re.escape(header)} .*\n\|[-|]+\|\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    assert found, f"no table with the header {header!r}"
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in found[1].splitlines()]


def code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def imports_forbidden_by_the_page() -> dict[str, set[str]]:
    groups = {group: set(code(packages)) for group, packages in rows("group")}
    forbidden = {}
    for folder, must_not, may in rows("folder"):
        named = {word.strip() for word in re.sub("`[^`]+`", "", must_not).split(",")} - {""}
        packages = set(code(must_not)).union(*(groups[group] for group in named))
        forbidden[code(folder)[0]] = packages - set(code(may))
    return forbidden


def test_import_table_is_the_one_that_is_enforced() -> None:
    assert imports_forbidden_by_the_page() == FORBIDDEN


def queries() -> list[list[str]]:
    return rows("query")


def test_every_table_has_its_queries_and_no_unknown_table_is_named() -> None:
    assert {code(table)[0] for _, table, *_ in queries()} == {spec.name for spec in TABLES}


def test_every_query_names_the_key_of_its_table_or_one_of_its_indexes() -> None:
    specs = {spec.name: spec for spec in TABLES}
    for query, table, how, *_ in queries():
        spec = specs[code(table)[0]]
        keys = {name for name, _ in spec.key_schema}
        if how.startswith("index"):
            index = next(index for index in spec.indexes if index.name == code(how)[0])
            assert code(how)[1:] == [index.partition_key, index.sort_key], query
        elif how.startswith("stream"):
            assert spec.stream, query
        elif how != "all rows":
            attributes = [
                name for name in code(how) if "#" not in name and name not in ("suite", "newest", "counter", "policy")
            ]
            assert attributes[0] == spec.partition_key and set(attributes) <= keys, query


def test_every_index_and_stream_answers_a_query() -> None:
    asked = {(code(table)[0], code(how)[0]) for _, table, how, *_ in queries() if how.startswith("index")}
    assert asked == {(spec.name, index.name) for spec in TABLES for index in spec.indexes}
    streams = {code(table)[0] for _, table, how, *_ in queries() if how.startswith("stream")}
    assert streams == {spec.name for spec in TABLES if spec.stream}


def tables_of_functions() -> dict[str, set[str]]:
    """Function -> the tables that its environment tells it of; `start_run` has RUNS by its stream."""
    shapes = {folder: getattr(environment, folder.title().replace("_", "") + "Env") for folder in FUNCTIONS}
    found = {folder: _tables(shape) for folder, shape in shapes.items()}
    found["start_run"] |= {"runs"}
    return found


def _tables(shape: type[Environment]) -> set[str]:
    return {name.removesuffix("_table") for name in shape.model_fields if name.endswith("_table")}


def test_functions_ask_only_the_tables_that_they_are_told_of() -> None:
    told = tables_of_functions()
    asked = [(folder, code(table)[0]) for _, table, _, _, who in queries() for folder in set(code(who)) & FUNCTIONS]
    assert [(folder, table) for folder, table in asked if table not in told[folder]] == []
    assert {folder for folder, _ in asked} == {folder for folder, tables in told.items() if tables}


def test_bucket_layout_is_the_one_of_the_contract() -> None:
    layout = (artifacts.__doc__ or "").partition("\n\n")[2].strip()
    assert layout in PAGE


def test_every_stage_and_every_function_has_its_place() -> None:
    assert [code(stage)[0] for stage, *_ in rows("stage")] == [stage.value for stage in Stage]
    assert {name for name in FUNCTIONS if f"`{name}`" not in PAGE} == set()


def test_exit_codes_are_those_of_the_contract() -> None:
    contract = {value for name, value in vars(ExitCode).items() if name.isupper()}
    assert {int(number) for number, *_ in rows("exit code")} == contract


def test_every_file_that_the_page_names_is_there() -> None:
    named = {
        name.partition("::")[0] for name in code(PAGE) if re.fullmatch(r"[\w./]+\.(py|md)(::\w+)?|tests/[\w/]+", name)
    }
    shared = ROOT / "layers/shared/python/tunesmith"
    places = (ROOT, shared, ROOT / "batch_jobs", ROOT / "infra/constructs", ROOT / "infra/local_cloud")
    assert {name for name in named if not any((place / name).exists() for place in places)} == set()
