"""Which columns hold personal data: by what the header says and by what the values look like.

A header alone convicts only where it leaves little doubt (`email`, `last_name`); an ambiguous one (`name`,
`number`, `address`) needs values to match; values alone convict where their pattern is unmistakable (e-mail
addresses, card numbers with a right check digit, IBANs).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synth.linear import within

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
PHONE = r"^\+?[(0-9][0-9 ().\-/]{5,22}[0-9]( ?(x|ext\.?) ?[0-9]{1,6})?$"
PLAIN_PHONE = r"^(\+[0-9]{1,3}|\([0-9]{2,5}\)|\+?1?[ .-]?\(?[0-9]{3}\)?[ .-][0-9]{3}[ .-][0-9]{4})"
"""What no other number begins like: a country code, an area code in brackets, or three, three and four digits."""
SSN = r"^[0-9]{3}-[0-9]{2}-[0-9]{4}$"
IBAN = r"^[A-Z]{2}[0-9]{2}[ ]?([A-Z0-9]{4}[ ]?){2,7}[A-Z0-9]{0,4}$"
CARD = r"^[0-9]{4}([ -]?)[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{1,7}$|^3[47][0-9]{2}[ -]?[0-9]{6}[ -]?[0-9]{5}$"
BYTE = "(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"
IP = rf"^({BYTE}\.){{3}}{BYTE}$|^([0-9a-fA-F]{{1,4}}:){{7}}[0-9a-fA-F]{{1,4}}$|^[0-9a-fA-F:]*::[0-9a-fA-F:]*$"
URL = r"^(https?://|www\.)[^\s]+$"
STREET = r"(?i)^[0-9]+[a-z]?[ ,].*[a-z]{2,}|\p{L}{3,}[ .]+[0-9]+([ /-]?[0-9a-z]{1,4})?$"
PLAIN_STREET = (
    r"(?is)^[0-9]+ .*\b(st|street|ave|avenue|rd|road|blvd|lane|ln|drive|dr|court|ct|way|place|pl|square|terrace|apt"
    r"|suite)\b|(straße|strasse|str\.|gasse|weg|platz|allee) [0-9]+"
)
"""Streets that need no header to be told."""
TITLE = r"^(Dr|Mr|Mrs|Ms|Miss|Prof|Herr|Frau|Mme|M|Sra?)\.? \p{Lu}"
ZIP = (
    r"^[0-9]{3,5}$|^[0-9]{5}-[0-9]{4}$|^[A-Z]{1,2}[0-9][A-Z0-9]? ?[0-9][A-Z]{2}$|^[0-9]{4} ?[A-Z]{2}$"
    r"|^[A-Z][0-9][A-Z] ?[0-9][A-Z][0-9]$|^[0-9]{2,3}-[0-9]{3,4}$"
)

HEADERS = {
    "first_name": "first name, firstname, fname, given name, forename, vorname, prenom, prénom, nombre, voornaam, nome",
    "last_name": (
        "last name, lastname, lname, surname, family name, nachname, familienname, nom, nom de famille, "
        "apellido, apellidos, cognome, achternaam, maiden name"
    ),
    "name": (
        "name, full name, fullname, person name, customer name, client name, patient name, employee name, "
        "contact name, contact, cardholder, cardholder name, account holder, holder name, student name, "
        "passenger name, doctor, physician, doctor name, naam, nom complet, nombre completo"
    ),
    "username": "username, user name, login, login name, screen name, nickname",
    "email": ("email, e mail, mail, email address, e mail address, correo, correo electronico, courriel, emailaddress"),
    "phone": (
        "phone, telephone, phone number, telephone number, mobile, mobile number, mobile phone, cell, cell "
        "phone, cellphone, home phone, work phone, fax, telefon, telefono, teléfono, téléphone, tel, handy, "
        "phone no, msisdn, contact number"
    ),
    "address": (
        "address, full address, mailing address, home address, billing address, shipping address, postal "
        "address, adresse, direccion, dirección, indirizzo, anschrift, residence address"
    ),
    "street": (
        "street, street address, street name, address line, address line 1, address 1, address1, addr, addr "
        "1, strasse, straße, rue, calle, via"
    ),
    "city": "city, town, stadt, ville, ciudad, città, ort, wohnort, municipality, home city",
    "zip": (
        "zip, zip code, zipcode, postal code, postcode, post code, postalcode, plz, code postal, codigo postal, cap"
    ),
    "company": "company, company name, employer, firma, société, empresa, organisation, organization",
    "card": (
        "card, card number, credit card, credit card number, creditcard, cc number, ccnumber, card no, pan, debit card"
    ),
    "ssn": (
        "ssn, social security, social security number, social security no, national id, national insurance "
        "number, nino, nhs number, tax id, personnummer, cpf, sin, bsn, dni, nif, national identity number, "
        "passport, passport number, driver license, driving licence, sozialversicherungsnummer"
    ),
    "iban": "iban, iban number, bank account, account iban",
    "ip": "ip, ip address, ipaddress, client ip, remote ip, ip addr, ipv4, ipv6",
    "url": "url, web, website, homepage, web site, profile url",
    "date_of_birth": (
        "birthdate, birth date, date of birth, dob, birthday, geburtsdatum, date de naissance, fecha de "
        "nacimiento, data di nascita, born"
    ),
}
"""Headers that name personal data, as their words read in lower case."""
HUMP = within(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
"""Where a word begins in `customerID`."""
WORD, LETTERS = within(r"[^\W_]+"), within(r"[^\W\d_]+")
WORDS = {word: kind for kind, words in HEADERS.items() for word in words.split(", ")}


def words_of(header: str) -> str:
    """The words of a header in lower case with single blanks: `customerID_no` -> `customer id no`."""
    return " ".join(WORD.findall(HUMP.sub(" ", header).lower()))


def header_says(header: str) -> str | None:
    """The personal data that a header names, or None."""
    words = words_of(header)
    end = next((end for end in range(len(words), 0, -1) if not words[end - 1].isdecimal()), 0)
    bare = words[:end].rstrip() if end < len(words) else words
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
    """First names of several languages, in lower case."""
    lines = (Path(__file__).parent / "first_names.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(name for line in lines if not line.startswith("#") for name in line.split())


def pii_of(header: str, texts: pa.Array, kind: str) -> str | None:
    """Which personal data a column with these distinct texts holds, or None."""
    sample = texts.slice(0, 2000)
    if not len(sample):
        return None
    said = header_says(header)
    return (said and _confirmed(said, sample, kind)) or _shown(sample, kind)


def _confirmed(said: str, sample: pa.Array, kind: str) -> str | None:
    """The personal data that a header names, if the values may be that."""
    is_text = kind in ("text", "category")
    is_code = is_text or kind == "integer"
    may_be = {
        "name": is_text and (_are_names(sample, 0.3) or _share(sample, TITLE) > 0.5),
        "first_name": is_text and _share(sample, r"^[^\d]+$") >= 0.8,
        "last_name": is_text and _share(sample, r"^[^\d]+$") >= 0.8,
        "username": is_text and _share(sample, r"^[^\s]{2,40}$") >= 0.8,
        "email": is_text and _share(sample, EMAIL) >= 0.5,
        "phone": is_code and len(sample) > 1 and _share(sample, PHONE) >= 0.6,
        "address": is_text and _share(sample, STREET) >= 0.4,
        "street": is_text and _share(sample, STREET) >= 0.4,
        "city": is_text and _share(sample, r"^[^\d]+$") >= 0.8,
        "zip": is_code and _share(sample, ZIP) >= 0.8,
        "company": is_text,
        "card": is_code and _share(sample, CARD) >= 0.8,
        "ssn": is_code and _share(sample, r"^[A-Z0-9][A-Z0-9 ./-]{5,18}$") >= 0.8 and _share(sample, "[0-9]{3}") >= 0.8,
        "iban": is_text and _share(sample, IBAN) >= 0.8,
        "ip": is_text and _share(sample, IP) >= 0.5,
        "url": is_text and _share(sample, URL) >= 0.5,
        "date_of_birth": kind == "datetime",
    }
    return said if may_be[said] else None


def _shown(sample: pa.Array, kind: str) -> str | None:
    """The personal data that values alone show, whatever the header says."""
    if kind not in ("text", "category", "integer") or len(sample) < 2:
        return None
    if _share(sample, CARD) >= 0.8 and _share_of(sample, has_luhn_digit) > 0.9:
        return "card"
    if kind == "integer":
        return None
    for found, pattern in (("email", EMAIL), ("ssn", SSN), ("ip", IP)):
        if _share(sample, pattern) >= 0.8:
            return found
    if _share(sample, IBAN) >= 0.8 and _share_of(sample, is_iban) > 0.8:
        return "iban"
    if _share(sample, PHONE) >= 0.9 and _share(sample, PLAIN_PHONE) >= 0.5:
        return "phone"
    if len(sample) >= 10 and _share(sample, PLAIN_STREET) >= 0.6:
        return "address"
    if (kind == "text" or len(sample) >= 15) and _are_names(sample, 0.7):
        return "name"
    return "first_name" if len(sample) >= 15 and _are_first_names(sample) else None


def _share(texts: pa.Array, pattern: str) -> float:
    return float(np.mean(pc.match_substring_regex(texts, pattern).to_numpy(zero_copy_only=False)))


def _share_of(texts: pa.Array, test: Callable[[str], bool]) -> float:
    return float(np.mean([test(text) for text in texts.to_pylist()]))


def _are_names(texts: pa.Array, share: float) -> bool:
    """Whether the texts are names of people: two to five words, one of them a common first name."""
    pattern = r"^[^\d@/_]{2,}([ ,]+[^\d@/_]+){1,6}$"
    if _share(texts, pattern) < 0.8:
        return False
    known = first_names()
    return _share_of(texts, lambda text: any(word in known for word in LETTERS.findall(text.lower()))) >= share


def _are_first_names(texts: pa.Array) -> bool:
    known = first_names()
    return _share(texts, r"^\p{Lu}\p{Ll}+$") > 0.9 and _share_of(texts, lambda text: text.lower() in known) > 0.9


def has_luhn_digit(text: str) -> bool:
    """Whether the last digit is the check digit that payment cards carry (ISO/IEC 7812-1)."""
    digits = [int(c) for c in text if c.isdecimal()]
    doubled = [d * 2 - 9 * (d > 4) if i % 2 else d for i, d in enumerate(reversed(digits))]
    return len(digits) >= 12 and len(set(digits)) > 1 and sum(doubled) % 10 == 0


def is_iban(text: str) -> bool:
    """Whether the check digits of an IBAN are right (ISO 13616)."""
    text = text.replace(" ", "")
    if not 15 <= len(text) <= 34 or not (text.isascii() and text.isalnum()):
        return False
    return int("".join(str(int(c, 36)) for c in text[4:] + text[:4])) % 97 == 1
