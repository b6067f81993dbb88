"""Joining the two levels of a region's prompt so that it reads as a person would write it."""

from __future__ import annotations

import re

_CJK = re.compile(r"[\u3400-\u9fff]")


def is_cjk(text: str) -> bool:
    """Whether the text is written in Chinese characters."""
    return bool(_CJK.search(text))


def compose_prompt(
    high_level: str, low_level: str, instance: str = "", attributes: tuple[str, ...] = ()
) -> str:
    """Join content and appearance into one prompt.

    Attributes that do not stand in `high_level` yet go before its `instance` ("a circle" and
    "red" give "a red circle", the article follows). The other comma-separated parts of `low_level`
    are appended.

    Example:
        >>> compose_prompt("a circle on black background", "orange, watercolor style",
        ...                "circle", ("orange",))
        'an orange circle on black background, watercolor style'
    """
    cjk = is_cjk(high_level) or is_cjk(low_level)
    parts = split_parts(low_level)
    missing = [
        word
        for word in attributes
        if not contains_phrase(high_level, word) and not re.match(r"made |.* of |with ", word)
    ]
    result = high_level
    found = _find(high_level, instance)
    if missing and found is not None:
        start = found
        if cjk:
            inserted = "".join(word if word.endswith("的") else word + "的" for word in missing)
        else:
            inserted = " ".join(missing) + " "
        before = high_level[:start]
        result = (before if cjk else fit_article(before, inserted)) + inserted + high_level[start:]
    rest = [part for part in parts if not contains_phrase(result, part)]
    joiner = "，" if cjk else ", "
    return joiner.join(piece for piece in (result, *rest) if piece)


def fit_article(before: str, following: str) -> str:
    """Turn a trailing "a"/"an" in `before` into the form that fits the next word."""

    def fit(match: re.Match[str]) -> str:
        article = article_for(following)
        return (article.capitalize() if match[1][0] == "A" else article) + match[2]

    return re.sub(r"\b([Aa]n?)(\s+)$", fit, before)


def article_for(following: str) -> str:
    """The indefinite article, "a" or "an", that fits before `following`."""
    word = following.lstrip().lower()
    if re.match(r"(uni|use|usu|eu|one\b|ufo)", word):
        return "a"
    if re.match(r"(hour|honest|heir)", word):
        return "an"
    return "an" if word[:1] in tuple("aeiou") else "a"


def split_parts(text: str) -> list[str]:
    """The comma-separated parts of a level's text."""
    return [part.strip() for part in re.split(r"[,，;；、]", text) if part.strip()]


def contains_phrase(text: str, phrase: str) -> bool:
    """Whether `phrase` stands in `text` as whole words (as a substring in Chinese)."""
    return _find(text, phrase) is not None


def _find(text: str, phrase: str) -> int | None:
    if not phrase:
        return None
    if is_cjk(phrase):
        index = text.find(phrase)
        return None if index < 0 else index
    match = re.search(rf"(?<!\w){re.escape(phrase)}(?!\w)", text, re.IGNORECASE)
    return None if match is None else match.start()
