"""Personal data that belongs to nobody: people, addresses, companies and words from Faker, in any of its locales.

Faker's pieces (first names, surnames, streets, ...) are drawn once into pools and combined by numpy, so that a
million people take a second. Within a row everything agrees: the e-mail address is that of the name beside it.
"""

from __future__ import annotations

import unicodedata
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from synth.errors import Invalid
from synth.linear import within

NOT_PLAIN = within(r"[^a-z0-9]")
POOL = 2048
"""Pieces drawn from Faker for each pool; commoner names come more often, as in Faker's own lists."""

KINDS = {
    "name": ("name", "fullname", "person", "personname"),
    "first_name": ("firstname", "givenname", "forename"),
    "last_name": ("lastname", "surname", "familyname"),
    "email": ("email", "emailaddress", "mail"),
    "username": ("username", "user", "login", "handle", "nickname"),
    "company": ("company", "organisation", "organization", "employer", "companyname"),
    "url": ("url", "web", "website", "homepage", "domain"),
    "address": ("address", "streetaddress", "street", "addressline", "fulladdress", "location"),
    "city": ("city", "town"),
    "state": ("state", "province", "county", "region"),
    "country": ("country", "nationality"),
    "job": ("job", "occupation", "profession"),
    "ip": ("ip", "ipaddress", "ipv4", "ipv6"),
}
"""Kinds of personal data that are faked by meaning, with the names they go by. All others (phones, cards,
social-security numbers, ...) are made new in the pattern the file writes them in."""

_KIND_OF = {alias: kind for kind, aliases in KINDS.items() for alias in aliases}


def kind_of(label: str | None) -> str | None:
    """The kind that a label such as `E-Mail` or `given name` means; None when it is faked by pattern."""
    return _KIND_OF.get(NOT_PLAIN.sub("", (label or "").lower()))


def check_locale(locale: str) -> str:
    """`locale` as Faker writes it. Raises Invalid when Faker does not have it."""
    from faker.config import AVAILABLE_LOCALES

    written = locale.replace("-", "_")
    if written not in AVAILABLE_LOCALES:
        near = sorted(name for name in AVAILABLE_LOCALES if name[:2] == written[:2].lower())
        hint = f"Did you mean {', '.join(near)}?" if near else "Choose one such as en_US, de_DE or ja_JP."
        raise Invalid(f"There is no locale {locale!r} for personal data. {hint}")
    return written


class Fakes:
    """Pools of Faker's pieces for one locale, each always the same; what seeds decide is who gets which piece."""

    def __init__(self, locale: str):
        from faker import Faker

        self.faker = Faker(check_locale(locale))
        self.surname_first = locale[:2] in ("ja", "zh", "ko", "hu")
        self._pools: dict[str, np.ndarray] = {}

    def pool(self, piece: str) -> np.ndarray:
        """`POOL` values of one of Faker's providers, as text on one line."""
        if piece not in self._pools:
            self.faker.seed_instance(piece)
            make = getattr(self.faker, piece)
            self._pools[piece] = np.array([str(make()).replace("\n", ", ") for _ in range(POOL)], object)
        return self._pools[piece]

    def pick(self, piece: str, rows: int, rng: np.random.Generator) -> np.ndarray:
        return self.pool(piece)[rng.integers(0, POOL, rows)]

    def people(self, rows: int, start: int, rng: np.random.Generator) -> People:
        """`rows` people, one a row; `start` is the number of the first row in the whole output."""
        return People(self, rows, start, rng)

    def text(self, words: list[int], rows: int, rng: np.random.Generator) -> np.ndarray:
        """Sentences without meaning in the locale's words, as long as `words` (quantiles of the real lengths) says."""
        key = f"text {words}"
        if key not in self._pools:
            self.faker.seed_instance(key)
            lengths = np.interp(np.linspace(0, 1, 256), np.linspace(0, 1, len(words)), words).round().astype(int)
            self._pools[key] = np.array([self._prose(int(length)) for length in lengths], object)
        pool = self._pools[key]
        return pool[rng.integers(0, len(pool), rows)]

    def _prose(self, words: int) -> str:
        sentences = []
        while words > 0:
            length = words if words <= 12 else 9
            sentences.append(self.faker.sentence(nb_words=length, variable_nb_words=False))
            words -= length
        return " ".join(sentences)


@lru_cache(maxsize=4)
def fakes_of(locale: str) -> Fakes:
    """The pools of a locale, made once in a process."""
    return Fakes(locale)


class People:
    """The people of a chunk of rows; each attribute is an array with one value a row."""

    def __init__(self, fakes: Fakes, rows: int, start: int, rng: np.random.Generator):
        self.fakes, self.rows, self.start = fakes, rows, start
        self.first = rng.integers(0, POOL, rows)
        self.last = rng.integers(0, POOL, rows)
        self.firm = rng.integers(0, POOL, rows)
        self.rng = rng

    def __getitem__(self, kind: str) -> np.ndarray:
        """The values of one of `KINDS`."""
        made = {
            "first_name": lambda: self.fakes.pool("first_name")[self.first],
            "last_name": lambda: self.fakes.pool("last_name")[self.last],
            "name": lambda: self.full_name,
            "email": lambda: self.login + "@example.com",
            "username": lambda: self.login,
            "company": lambda: self.fakes.pool("company")[self.firm],
            "url": lambda: self.site,
            "address": lambda: self.fakes.pick("street_address", self.rows, self.rng),
            "ip": lambda: self.fakes.pick("ipv4_private", self.rows, self.rng),
        }
        return made[kind]() if kind in made else self.fakes.pick(_provider(self.fakes.faker, kind), self.rows, self.rng)

    @property
    def full_name(self) -> np.ndarray:
        first, last = self["first_name"], self["last_name"]
        return last + " " + first if self.fakes.surname_first else first + " " + last

    @cached_property
    def login(self) -> np.ndarray:
        """`owen.harris17`: of the row's name, with the row's number, so that no two rows share one."""
        first = _plain(self.fakes.pool("first_name"))[self.first]
        last = _plain(self.fakes.pool("last_name"))[self.last]
        numbers = np.arange(self.start + 1, self.start + 1 + self.rows).astype(str).astype(object)
        return first + np.where((first != "") & (last != ""), ".", "").astype(object) + last + numbers

    @property
    def site(self) -> np.ndarray:
        """`https://www.lunallc.example`: of the row's company, in the top-level domain kept for examples."""
        companies = _plain(self.fakes.pool("company"))
        companies[companies == ""] = "company"
        return ("https://www." + companies + ".example")[self.firm]


def _provider(faker: Any, kind: str) -> str:
    """The provider for `kind`; a few locales know regions by another name."""
    names = {"state": ("state", "administrative_unit", "province", "prefecture", "region", "department_name", "city")}
    return next(name for name in names.get(kind, (kind,)) if hasattr(faker, name))


def _plain(words: np.ndarray) -> np.ndarray:
    """Words in lower-case ASCII letters only, as addresses on the net have them."""
    special = str.maketrans({"ß": "ss", "æ": "ae", "ø": "o", "ł": "l", "đ": "d", "ı": "i"})

    def plain(word: str) -> str:
        letters = unicodedata.normalize("NFKD", word.lower().translate(special)).encode("ascii", "ignore").decode()
        return NOT_PLAIN.sub("", letters)

    return np.array([plain(word) for word in words], object)
