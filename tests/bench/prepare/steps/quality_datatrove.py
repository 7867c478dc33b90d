"""datatrove's filters with Gopher's rules of quality and of repetition, with their default limits.

`default` cuts words with its English tokenizer (spaCy), `cheap` at what is no letter or digit. Its filters of bad words
and of languages fetch their lists and models from the network, so they take no part.
"""

from pathlib import Path

from datatrove.data import Document
from datatrove.pipeline.filters import GopherQualityFilter, GopherRepetitionFilter
from datatrove.utils import word_tokenizers

from tests.bench.prepare.contestants.datatrove_chain import CheapTokenizer
from tests.bench.prepare.steps.timing import Contestant, Work, read, run


def gopher(is_cheap: bool) -> Contestant:
    def contestant(file: Path) -> Work:
        if is_cheap:
            cheap = CheapTokenizer()
            word_tokenizers.load_word_tokenizer = lambda language: cheap
        documents = [Document(text=row["text"], id=row["id"]) for row in read(file)]
        filters = [GopherRepetitionFilter(), GopherQualityFilter()]
        return lambda: [one.id for one in documents if not all(keeps.filter(one) is True for keeps in filters)]

    return contestant


CONTESTANTS: dict[str, Contestant] = {"cheap": gopher(True), "default": gopher(False)}

if __name__ == "__main__":
    run(CONTESTANTS)
