"""Dataset versions as people look at them: rows one by one (`tunesmith data show`), and two versions side by side
(`tunesmith data diff`). One JSON document on standard output each."""

from pydantic import Field

from tunesmith.contracts.base import Contract, Uri
from tunesmith.contracts.datasets import Split


class ShownTurn(Contract):
    part: str = Field(description="messages, chosen or rejected")
    role: str
    content: str
    trained: bool | None = Field(default=None, description="None: not known")
    name: str | None = None
    tool_calls: str | None = Field(default=None, description="JSON")


class ShownRow(Contract):
    item_id: str | None = Field(description="None: the row is not in a dataset version yet")
    split: Split | None
    source: Uri
    line: int
    language: str | None = None
    label: str | None = None
    label_confidence: float | None = None
    label_origin: str | None = None
    quality: float | None = None
    toxicity: float | None = None
    desirable: bool | None = None
    tools: str | None = Field(default=None, description="JSON")
    extra: str | None = Field(default=None, description="JSON object of the columns that were kept")
    turns: list[ShownTurn]


class ShownRows(Contract):
    """The first rows that were asked for."""

    place: Uri
    total: int = Field(description="rows that were looked through")
    matched: int = Field(description="of these, rows that were asked for")
    quarantined: int = Field(default=0, description="of an upload: rows that are bad and therefore not shown")
    rows: list[ShownRow]


class ComparedCount(Contract):
    """A number of both versions."""

    name: str
    before: int
    after: int


class ComparedSetting(Contract):
    """A recipe key that differs, values as JSON."""

    key: str
    before: str
    after: str


class Moved(Contract):
    """Rows that both versions have, in different splits."""

    before: Split
    after: Split
    rows: int


class ChangedRow(Contract):
    """The row of one line of one file, when it is not what it was."""

    before: ShownRow
    after: ShownRow


class VersionDifference(Contract):
    """What of B is not as in A. Rows are the same where their item ids are."""

    before: Uri
    after: Uri
    same: int = Field(description="rows of both, in the same split")
    added: dict[Split, int]
    removed: dict[Split, int]
    moved: list[Moved]
    changed: int = Field(description="of the rows added: those on a line of a file where another row was removed")
    counts: list[ComparedCount] = Field(description="what became of the rows that came in, by reason")
    problems: list[ComparedCount]
    pii: list[ComparedCount]
    languages: list[ComparedCount] = []
    labels: list[ComparedCount] = []
    sources_added: list[Uri]
    sources_removed: list[Uri]
    recipe: list[ComparedSetting] | None = Field(description="None: one of them does not say how it was made")
    columns_added: list[str]
    columns_removed: list[str]
    added_rows: list[ShownRow] = Field(description="some")
    removed_rows: list[ShownRow] = Field(description="some")
    moved_rows: list[ShownRow] = Field(description="some, as they are in B")
    changed_rows: list[ChangedRow] = Field(description="some")

    @property
    def is_same(self) -> bool:
        return not (sum(self.added.values()) or sum(self.removed.values()) or self.moved)
