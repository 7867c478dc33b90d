"""Makes `toxicity.tsv` from labelled comments, and measures it on others. Run by hand, not by `prepare`.

python -m tests.bench.toxicity --words profanity_wordlist.txt --tweets labeled_data.csv
    --comments toxicity_en.csv [--cases test_suite_cases.csv] [--write]

--words: the list inside the package better-profanity 0.7.0 (MIT)
--tweets: github.com/t-davidson/hate-speech-and-offensive-language (Davidson et al., 2017; MIT)
--comments: github.com/surge-ai/toxicity (MIT)
--cases: github.com/paul-rottger/hatecheck-data (Rottger et al., 2021; CC BY 4.0), measured only

Four fifths of the tweets and half of the comments are learnt, together with docstrings of the standard library as
text that is not toxic. What may be a sign is a word of the list, or of INSULTS: left alone, a classifier of tweets
learns names of places, of politicians and of peoples. Only signs stay, so no harmless word can outweigh an insult.
"""

import argparse
import csv
import re
from pathlib import Path

import numpy as np
from scipy.sparse import identity, vstack
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from batch_jobs.prepare.batches import Texts
from batch_jobs.prepare.signals.toxicity import INTERCEPT, WEIGHTS, normal_word, toxicity
from tunesmith_cli.demo.docstring_task import docstring_pairs

LEAST_WEIGHT, LEAST_TEXTS = 0.5, 2
AS_LISTED = 8
"""As so many toxic comments counts that a word stands in the list: rare ones have few of their own."""
INSULTS = (
    "idiot idiots idiotic moron morons moronic stupid dumb dumbest scum scumbag loser losers pathetic "
    "disgusting filthy worthless ugly trash garbage vermin clown clowns liar liars creep creeps pig pigs "
    "imbecile stfu fucks fuckin niggah nigguh nicca niccas wigger wetback wetbacks spic chink chinks beaner "
    "beaners coon coons dyke dykes libtard retards shits shitting bitchy sluts whores thot twats hoes"
)
HARMLESS = (
    "gay lesbian homo queer queers negro jew hitler nazi nipples breasts sex sexual uzi potty thrust toots "
    "drunk rape raped rapist ganja weed pot vodka crack kill murder virgin pubic erotic orgasm penis vagina "
    "testicle menstruate god fat puberty poop pee nude naked suicide hell damn crap oral anal balls kinky "
    "fetish sperm uterus womb rectum ovary prostitute escort opium heroin cocaine meth hemp beer booze omg "
    "lech lusty maxi mams woody slope yellow cox jap pedophile terrorist bomb stroke hooker panties stoned "
    "urine bra bust ho hoe screw screwed sucks suck gross scantily doofus heck pms bloody chubby pawn pimp "
    "organ paddy nymph naive sob sniper skank k lmao lmfao slave nappy thug porn inbred masochist snatch "
    "lesbians gays guido len hiv rum reich viagra tampon xx strip dong lube nudes nipple masturbate jerk dummy "
    "knob fanny vomit sucking sucked weiner dogging prude dink shi mutha puss sissy threesome hentai boner "
    "pecker fart"
)
"""Words of the list that say nothing by themselves, or name people; an identity is no sign of toxicity."""
NOT_WORDS = re.compile(r"https?://\S+|@\w+|&#?\w+;|\bRT\b")
HEADER = """# Words that are signs of toxicity, as normal_word leaves them, and their weights in a logistic regression.
# Learnt by tests/bench/toxicity.py from the tweets of Davidson et al. (2017; MIT License, Copyright (c) 2017
# Tom Davidson) and the comments of surge-ai/toxicity (MIT License, Copyright (c) 2021 Surge AI), over the words of
# better-profanity (MIT License). Offensive words follow.
"""

Comment = tuple[str, bool]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", type=Path, required=True)
    parser.add_argument("--tweets", type=Path, required=True)
    parser.add_argument("--comments", type=Path, required=True)
    parser.add_argument("--cases", type=Path)
    parser.add_argument("--write", action="store_true", help="replace toxicity.tsv")
    asked = parser.parse_args()
    tweets = shuffled([(NOT_WORDS.sub("", row["tweet"]), row["class"] != "2") for row in rows_of(asked.tweets)])
    comments = shuffled([(row["text"], row["is_toxic"] == "Toxic") for row in rows_of(asked.comments)])
    cut, half = len(tweets) * 4 // 5, len(comments) // 2
    if asked.write:
        write(learn(tweets[:cut] + comments[:half], signs_in(asked.words)))
    report("tweets, held out", tweets[cut:])
    report("comments, held out", comments[half:])
    if asked.cases:
        report("hatecheck", [(row["test_case"], row["label_gold"] == "hateful") for row in rows_of(asked.cases)])


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


def shuffled(comments: list[Comment]) -> list[Comment]:
    order = np.random.default_rng(0).permutation(len(comments))
    return [comments[place] for place in order]


def signs_in(file: Path) -> list[str]:
    listed = {word for line in file.read_text().splitlines() if " " not in line and (word := normal_word(line))}
    return sorted((listed | set(INSULTS.split())) - set(HARMLESS.split()))


def learn(comments: list[Comment], signs: list[str]) -> dict[str, float]:
    """Word -> weight. A logistic regression over which signs a comment has; then its scale, over their sum."""
    comments = comments + [(pair.summary, False) for pair in docstring_pairs()]
    seen = CountVectorizer(analyzer=distinct_words, vocabulary=signs, binary=True).transform(
        [text for text, _ in comments]
    )
    toxic = np.array([label for _, label in comments])
    listed = identity(len(signs), format="csr").tocsr()[np.repeat(np.arange(len(signs)), AS_LISTED)]
    both, labels = vstack([seen, listed]), np.concatenate([toxic, np.ones(listed.shape[0], np.bool_)])
    weights = LogisticRegression(class_weight="balanced", max_iter=1000).fit(both, labels).coef_[0]
    often = np.asarray(seen.sum(axis=0))[0] >= LEAST_TEXTS
    weights = np.where(often & (weights >= LEAST_WEIGHT), weights, 0)
    scale = LogisticRegression(class_weight="balanced").fit((seen @ weights).reshape(-1, 1), toxic)
    kept = {signs[place]: float(weights[place] * scale.coef_[0, 0]) for place in np.flatnonzero(weights)}
    return {INTERCEPT: float(scale.intercept_[0])} | kept


def distinct_words(text: str) -> set[str]:
    return {normal for word in text.split() if (normal := normal_word(word))}


def write(weights: dict[str, float]) -> None:
    WEIGHTS.write_text(HEADER + "".join(f"{word}\t{weight:.3f}\n" for word, weight in weights.items()))


def report(name: str, comments: list[Comment]) -> None:
    scores = toxicity(Texts.of([text for text, _ in comments]))
    toxic = np.array([label for _, label in comments])
    flagged = scores > 0.5
    print(
        f"{name}: {len(comments):,} texts, {toxic.mean():.0%} toxic, ROC AUC {roc_auc_score(toxic, scores):.3f};",
        end=" ",
    )
    print(f"above 0.5: recall {flagged[toxic].mean():.3f}, precision {toxic[flagged].mean():.3f}", end=", ")
    print(f"of what is not toxic {flagged[~toxic].mean():.3f}")


if __name__ == "__main__":
    main()
