"""Which columns hold personal data: by what the header says and by what the values look like.

A header alone convicts only where it leaves little doubt (`email`, `last_name`); an ambiguous one (`name`,
`number`, `address`) needs values to match; values alone convict where their pattern is unmistakable (e-mail
addresses, card numbers with a right check digit, IBANs).
"""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

PII = (
    "name",  # a whole name
    "first_name",
    "last_name",
    "username",
    "email",
    "phone",
    "address",  # all in one line
    "street",  # street and house number
    "city",  # city and zip only beside other personal data
    "zip",
    "company",  # only beside other personal data
    "card",  # payment card number
    "ssn",  # social-security or national identity number
    "iban",
    "ip",
    "url",  # only beside other personal data
    "date_of_birth",
)
"""Every kind of personal data that `Column.pii` may name."""

DEPENDENT = ("city", "zip", "company", "url")
"""Harmless in a table about things, part of the person in a table about people."""

EMAIL = r"^[^@\s]+@[^@\s]+\.[A-Za-z]{2,}$"
PHONE = r"^(\+|00)?[0-9]{0,3}[ .\-/]?(\([0-9]{1,5}\)|[0-9]{2,5})[ .\-/]?[0-9]{2,5}([ .\-/]?[0-9]{2,5}){1,3}( ?(x|ext\.?) ?[0-9]{1,6})?$"
SSN = r"^[0-9]{3}-[0-9]{2}-[0-9]{4}$"
IBAN = r"^[A-Z]{2}[0-9]{2}[ ]?([A-Z0-9]{4}[ ]?){2,7}[A-Z0-9]{0,4}$"
CARD = r"^[0-9]{4}([ -]?)[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{1,7}$|^3[47][0-9]{2}[ -]?[0-9]{6}[ -]?[0-9]{5}$"
IP = r"^([0-9]{1,3}\.){3}[0-9]{1,3}$|^([0-9a-fA-F]{0,4}:){3,7}[0-9a-fA-F]{0,4}$"
URL = r"^(https?://|www\.)[^\s]+$"
STREET = r"(?i)^[0-9]+[a-z]?[ ,].*[a-z]{2,}|[a-zß]{3,}[ .]+[0-9]+ ?[a-z]?$"
ZIP = r"^[0-9]{3,5}$|^[0-9]{5}-[0-9]{4}$|^[A-Z]{1,2}[0-9][A-Z0-9]? ?[0-9][A-Z]{2}$|^[0-9]{4} ?[A-Z]{2}$|^[A-Z][0-9][A-Z] ?[0-9][A-Z][0-9]$|^[0-9]{2,3}-[0-9]{3,4}$"

HEADERS = {
    "first_name": "first name|firstname|fname|given name|forename|vorname|prenom|prénom|nombre|voornaam|nome",
    "last_name": "last name|lastname|lname|surname|family name|nachname|familienname|nom de famille|apellido|apellidos|cognome|achternaam|maiden name",
    "name": "name|full name|fullname|person name|customer name|client name|patient name|employee name|contact name|contact|cardholder|cardholder name|account holder|holder name|student name|passenger name|nom|naam|nom complet|nombre completo",
    "username": "username|user name|login|login name|screen name|nickname|handle",
    "email": "email|e mail|mail|email address|e mail address|correo|correo electronico|courriel|emailaddress",
    "phone": "phone|telephone|phone number|telephone number|mobile|mobile number|mobile phone|cell|cell phone|cellphone|home phone|work phone|fax|telefon|telefono|teléfono|téléphone|tel|handy|phone no|msisdn|contact number",
    "address": "address|full address|mailing address|home address|billing address|shipping address|postal address|adresse|direccion|dirección|indirizzo|anschrift|residence address",
    "street": "street|street address|street name|address line|address line 1|address 1|address1|addr|addr 1|strasse|straße|rue|calle|via",
    "city": "city|town|stadt|ville|ciudad|città|ort|wohnort|municipality|home city",
    "zip": "zip|zip code|zipcode|postal code|postcode|post code|postalcode|plz|code postal|codigo postal|cap",
    "company": "company|company name|employer|firma|société|empresa|organisation|organization",
    "card": "card|card number|credit card|credit card number|creditcard|cc number|ccnumber|card no|pan|debit card",
    "ssn": "ssn|social security|social security number|social security no|national id|national insurance number|nino|nhs number|tax id|personnummer|cpf|sin|bsn|dni|nif|national identity number|passport|passport number|driver license|driving licence|sozialversicherungsnummer",
    "iban": "iban|iban number|bank account|account iban",
    "ip": "ip|ip address|ipaddress|client ip|remote ip|ip addr|ipv4|ipv6",
    "url": "url|web|website|homepage|web site|profile url",
    "date_of_birth": "birthdate|birth date|date of birth|dob|birthday|geburtsdatum|date de naissance|fecha de nacimiento|data di nascita|born",
}
WORDS = {word: kind for kind, words in HEADERS.items() for word in words.split("|")}


def words_of(header: str) -> str:
    """The words of a header in lower case with single blanks: `customerID_no` -> `customer id no`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", header)
    return " ".join(re.findall(r"[^\W_]+", spaced.lower()))


def header_says(header: str) -> str | None:
    """The personal data that a header names, or None."""
    words = words_of(header)
    bare = re.sub(r"\s*\d+$", "", words)
    for candidate in (words, bare):
        if candidate in WORDS:
            return WORDS[candidate]
    tokens = bare.split()
    for length in (3, 2, 1):
        tail = " ".join(tokens[-length:])
        if length < len(tokens) and tail in WORDS and WORDS[tail] not in ("name", "company", "url"):
            return WORDS[tail]
    return None


@cache
def first_names() -> frozenset[str]:
    """First names of several languages, in lower case, as Faker knows them."""
    from importlib import import_module

    names: set[str] = set()
    for locale in ("en_US", "en_GB", "de_DE", "fr_FR", "es_ES", "it_IT", "nl_NL", "pl_PL", "pt_BR", "sv_SE", "en_IN"):
        provider = import_module(f"faker.providers.person.{locale}").Provider
        names.update(name.lower() for name in provider.first_names if len(name) > 2)
    return frozenset(names)


def pii_of(header: str, texts: pa.Array, kind: str) -> str | None:
    """Which personal data a column with these distinct texts holds, or None."""
    sample = texts.slice(0, 2000)
    if not len(sample):
        return None
    said = header_says(header)

    def looks(pattern: str, share: float = 0.8) -> bool:
        return _share(sample, pattern) >= share

    if kind in ("text", "category"):
        if looks(EMAIL):
            return "email"
        if looks(SSN) and len(sample) > 1:
            return "ssn"
        if looks(IBAN) and _share_of(sample, is_iban) > 0.8:
            return "iban"
        if looks(IP) and said == "ip":
            return "ip"
    if kind in ("text", "category", "integer") and looks(CARD) and _share_of(sample, has_luhn_digit) > 0.9:
        return "card"
    if said is None:
        return "name" if kind == "text" and _are_names(sample, 0.7) else None
    if said in ("email", "username", "card", "iban", "ip"):
        return said if kind in ("text", "category", "integer") and said in ("username",) else None
    checks = {
        "phone": lambda: kind in ("text", "category", "integer") and looks(PHONE, 0.6) and len(sample) > 1,
        "ssn": lambda: kind in ("text", "category", "integer") and looks(r"[0-9]", 0.8) and looks(r"^.{6,20}$"),
        "first_name": lambda: kind in ("text", "category") and looks(r"^[^\d]+$"),
        "last_name": lambda: kind in ("text", "category") and looks(r"^[^\d]+$"),
        "name": lambda: kind in ("text", "category") and _are_names(sample, 0.3),
        "address": lambda: kind in ("text", "category") and looks(STREET, 0.5),
        "street": lambda: kind in ("text", "category") and looks(STREET, 0.5),
        "city": lambda: kind in ("text", "category") and looks(r"^[^\d]+$"),
        "zip": lambda: kind in ("text", "category", "integer") and looks(ZIP),
        "company": lambda: kind in ("text", "category"),
        "url": lambda: kind in ("text", "category") and looks(URL),
        "date_of_birth": lambda: kind == "datetime",
    }
    return said if said in checks and checks[said]() else None


def _share(texts: pa.Array, pattern: str) -> float:
    return float(np.mean(pc.match_substring_regex(texts, pattern).to_numpy(zero_copy_only=False)))


def _share_of(texts: pa.Array, test) -> float:
    return float(np.mean([test(text) for text in texts.to_pylist()]))


def _are_names(texts: pa.Array, share: float) -> bool:
    """Whether the texts are names of people: two to five words, one of them a common first name."""
    pattern = r"^[^\d@/_]{2,}([ ,]+[^\d@/_]+){1,6}$"
    if _share(texts, pattern) < 0.8:
        return False
    known = first_names()
    return _share_of(texts, lambda text: any(w in known for w in re.findall(r"[^\W\d_]+", text.lower()))) >= share


def has_luhn_digit(text: str) -> bool:
    """Whether the last digit is the check digit that payment cards carry (ISO/IEC 7812-1)."""
    digits = [int(c) for c in text if c.isdigit()]
    doubled = [d * 2 - 9 * (d > 4) if i % 2 else d for i, d in enumerate(reversed(digits))]
    return len(digits) >= 12 and len(set(digits)) > 1 and sum(doubled) % 10 == 0


def is_iban(text: str) -> bool:
    """Whether the check digits of an IBAN are right (ISO 13616)."""
    text = text.replace(" ", "")
    return 15 <= len(text) <= 34 and int("".join(str(int(c, 36)) for c in text[4:] + text[:4])) % 97 == 1
