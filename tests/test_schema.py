"""Kinds, roles and formats of columns, and texts written back as they were."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from synth.awkward_tables import AWKWARD
from synth.schema import Column, Schema
from synth.schema.casting import conform, parsed, written
from synth.schema.detection import detect
from synth.schema.pii import has_luhn_digit, header_says, is_iban


def column_of(values: list[str], name: str = "x") -> Column:
    return detect(pd.DataFrame({name: values})).columns[0]


def facts(column: Column) -> dict:
    return column.model_dump(exclude_defaults=True, exclude={"name"})


# Kinds -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "texts, expected",
    [
        (["1", "22", "-3"], {"kind": "integer"}),
        (["0", "1", "0"], {"kind": "integer"}),  # codes stay integers
        (["1.0", "22.0"], {"kind": "integer", "decimals": 1}),  # as pandas writes whole numbers beside missing ones
        (["1.50", "22.25"], {"kind": "number", "decimals": 2, "least_decimals": 2}),
        (["1.5", "22"], {"kind": "number", "decimals": 1}),
        (["1.0", "2.25"], {"kind": "number", "decimals": 2, "least_decimals": 1}),
        (["1.5e-05", "2.0"], {"kind": "number", "least_decimals": 1}),
        (["1,5", "2,25"], {"kind": "number", "decimals": 2, "decimal_mark": ","}),
        (
            ["$1,234.50", "-$2.00"],
            {"kind": "number", "decimals": 2, "least_decimals": 2, "thousands": ",", "prefix": "$"},
        ),
        (
            ["1.234,56 €", "2,00 €"],
            {
                "kind": "number",
                "decimals": 2,
                "least_decimals": 2,
                "decimal_mark": ",",
                "thousands": ".",
                "suffix": " €",
            },
        ),
        (["12%", "3%"], {"kind": "integer", "suffix": "%"}),
        (["007", "012"], {"kind": "category"}),  # leading zeros are part of a code
        (["1e5", "12345"], {"kind": "category"}),  # so is an e without point or sign
        (["12345678901234567890", "1"], {"kind": "category"}),  # beyond 64 bits
        (["0x1A", "0x2B"], {"kind": "category"}),
        (["1", "?", "3"], {"kind": "integer", "missing": "?"}),
        (["1.5", " ", "2.5"], {"kind": "number", "decimals": 1, "least_decimals": 1, "missing": " "}),
        (["yes", "no"], {"kind": "boolean", "labels": ("no", "yes")}),
        (["N", "Y"], {"kind": "boolean", "labels": ("N", "Y")}),
        (["True", "False"], {"kind": "boolean", "labels": ("False", "True")}),
        (["yes", "no", "maybe"], {"kind": "category"}),
        (["NA", "Smith"], {"kind": "category"}),  # a surname
        (["", ""], {"kind": "category"}),
    ],
)
def test_kind_of_texts(texts, expected):
    assert facts(column_of(texts)) == expected


@pytest.mark.parametrize(
    "texts, expected",
    [
        (["2020-01-05", "1969-12-31"], "%Y-%m-%d"),
        (["2020-01-05", "9999-12-31"], "%Y-%m-%d"),
        (["2020-01-05 10:00:00", "2021-12-31 23:59:59"], "%Y-%m-%d %H:%M:%S"),
        (["2020-01-05 10:00:00.123", "2021-12-31 23:59:59.500"], "%Y-%m-%d %H:%M:%S.%3f"),
        (["5/4/1900", "12/31/1999"], "%-m/%-d/%Y"),
        (["31.12.1999", "01.02.2000"], "%d.%m.%Y"),
        (["03/04/2020", "04/04/2020", "05/04/2020"], "%d/%m/%Y"),  # three days in a row, not three months
        (["05-Jan-2020", "12-Feb-2021"], "%d-%b-%Y"),
        (["January 5, 2020", "March 12, 2021"], "%B %-d, %Y"),
        (["01/05/2020 1:05 PM", "12/25/2020 11:59 AM"], "%m/%d/%Y %-I:%M %p"),
        (["2020-01-01T10:00:00Z", "2020-06-01T10:00:00Z"], "%Y-%m-%dT%H:%M:%SZ"),
        (["2020-01-01T10:00:00+02:00", "2020-06-01T10:00:00+02:00"], "%Y-%m-%dT%H:%M:%S+02:00"),
        (["10:30", "23:59"], "%H:%M"),
        (["9:30", "23:59"], "%-H:%M"),
    ],
)
def test_dates_in_many_formats_are_read_and_written_back(texts, expected):
    schema = detect(pd.DataFrame({"x": texts}))
    assert (schema["x"].kind, schema["x"].format) == ("datetime", expected)
    assert written(conform(pd.DataFrame({"x": texts}), schema)["x"], schema["x"]).tolist() == texts


@pytest.mark.parametrize(
    "texts",
    [["2020-02-30", "2020-01-01"], ["12-34-56", "99-88-77"], ["10.0.0.1", "10.0.0.2"], ["20200101", "20201231"]],
)
def test_what_only_looks_like_dates_is_none(texts):
    assert column_of(texts).kind != "datetime"


def test_many_texts_are_a_category_text_or_id_by_how_they_repeat_and_look():
    words = [f"word {chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(100)]
    assert column_of(words * 2).kind == "category"
    assert column_of(words).kind == "text"
    assert facts(column_of([f"CUST-{i:05}" for i in range(100)])) == {"kind": "text", "role": "id"}
    sentences = [f"The weather on day {i} was neither good nor bad, but it rained." for i in range(60)]
    assert column_of(sentences + sentences[:20]).kind == "text"


def test_typed_columns_of_a_frame_keep_their_kind():
    table = pd.DataFrame(
        {
            "whole": [1.0, None, 3.0],
            "number": [1.5, np.nan, 2.0],
            "flag": [True, False, True],
            "day": [date(2020, 1, 1), None, date(2020, 1, 2)],
            "moment": pd.to_datetime(["2020-01-01 10:00", None, "2020-01-02"], format="ISO8601", utc=True),
            "nothing": [None, None, None],
        }
    )
    schema = detect(table)
    kinds = ["integer", "number", "boolean", "datetime", "datetime", "category"]
    assert [column.kind for column in schema] == kinds
    assert schema["moment"].timezone == "UTC"
    conform(table, schema)


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_tables_are_detected_and_conform(name):
    table, _ = AWKWARD[name]
    schema = detect(table)
    assert schema.names == list(map(str, table.columns))
    conform(table, schema)


# Roles -------------------------------------------------------------------------------------------------------------


def test_ids_are_told_from_numbers_that_happen_to_differ():
    rows = 50
    table = pd.DataFrame(
        {
            "row": range(1, rows + 1),
            "customerID": [7000 + 13 * i for i in range(rows)],
            "amount": [7000 + 13 * i for i in range(rows)],
            "account": [f"{i:04}-{chr(65 + i % 26)}" for i in range(rows)],
            "store_id": [i % 5 for i in range(rows)],
        }
    )
    roles = {column.name: column.role for column in detect(table)}
    assert roles == {"row": "id", "customerID": "id", "amount": "feature", "account": "id", "store_id": "feature"}


def test_the_target_is_guessed_by_name_and_there_is_one():
    table = pd.DataFrame({"x": [1, 2], "y": [1, 2], "z": [3, 4], "income": ["a", "b"], "target": [0, 1]})
    assert detect(table).target == "target"
    assert detect(table[["x", "y", "z"]]).target is None
    assert detect(table[["x", "y"]]).target == "y"


PEOPLE = {
    "Full Name": ["Norma Fisher", "Jorge Sullivan", "Elizabeth Woods"],
    "contact mail": ["n.fisher@example.org", "j@example.net", "e.w@example.com"],
    "Telefon": ["+49 (0) 2743 630343", "02886 319332", "+49 30 1234567"],
    "street_address": ["239 Phillips Lock", "0594 Hall Inlet", "12 Main St"],
    "city": ["Berlin", "Paris", "Rome"],
    "zip": ["01234", "90210", "10115"],
    "ssn": ["824-03-8301", "792-98-4283", "123-45-6789"],
    "card": ["4111111111111111", "5500005555555559", "4012888888881881"],
    "iban": ["GB29NWBK60161331926819", "DE89370400440532013000", "FR1420041010050500013M02606"],
    "birthDate": ["1980-05-01", "1975-11-23", "1999-01-31"],
    "client_ip": ["10.0.0.1", "192.168.1.77", "8.8.8.8"],
}


def test_personal_data_is_found_by_header_and_value():
    found = {column.name: column.pii for column in detect(pd.DataFrame(PEOPLE)) if column.role == "pii"}
    assert found == {
        "Full Name": "name",
        "contact mail": "email",
        "Telefon": "phone",
        "street_address": "street",
        "city": "city",
        "zip": "zip",
        "ssn": "ssn",
        "card": "card",
        "iban": "iban",
        "birthDate": "date_of_birth",
        "client_ip": "ip",
    }


def test_unmistakable_values_need_no_header():
    table = pd.DataFrame({"a": PEOPLE["contact mail"], "b": PEOPLE["card"], "c": PEOPLE["iban"], "d": PEOPLE["ssn"]})
    assert [column.pii for column in detect(table)] == ["email", "card", "iban", "ssn"]


def test_ordinary_columns_raise_no_false_alarm():
    table = pd.DataFrame(
        {
            "name": ["Blue Chair", "Red Table", "Oak Desk"] * 10,
            "city": ["Paris", "London", "Rome"] * 10,
            "contact": ["cellular", "telephone", "cellular"] * 10,
            "phone": ["yes", "none", "yes"] * 10,
            "card": ["visa", "master", "visa"] * 10,
            "company": ["A", "B", "A"] * 10,
            "fnlwgt": [77516, 83311, 215646] * 10,
            "zip": ["01234", "90210", "10115"] * 10,
            "isbn": ["978-0-505-91003-5", "978-1-234-71969-2", "978-3-16-148410-0"] * 10,
        }
    )
    assert [(column.name, column.pii) for column in detect(table) if column.pii or column.role != "feature"] == []


def test_check_digits():
    assert has_luhn_digit("4111 1111 1111 1111")
    assert not has_luhn_digit("4111 1111 1111 1112")
    assert not has_luhn_digit("0000 0000 0000 0000")
    assert is_iban("GB29 NWBK 6016 1331 9268 19")
    assert not is_iban("GB28 NWBK 6016 1331 9268 19")


@pytest.mark.parametrize(
    "header, kind",
    [
        ("customerEmail", "email"),
        ("E-Mail", "email"),
        ("last_name", "last_name"),
        ("Phone 2", "phone"),
        ("email_count", None),
    ],
)
def test_headers_are_read_word_by_word(header, kind):
    assert header_says(header) == kind


# Written back ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "column, values, texts",
    [
        (
            Column(name="x", kind="number", decimals=2, least_decimals=1),
            [1.0, 2.5, 3.456, None],
            ["1.0", "2.5", "3.46", ""],
        ),
        (Column(name="x", kind="number", decimals=2, missing="NA"), [1.0, None], ["1", "NA"]),
        (Column(name="x", kind="number"), [0.1, 1e22, 3.0], ["0.1", "1e+22", "3"]),
        (Column(name="x", kind="integer", decimals=1), [3, -4, None], ["3.0", "-4.0", ""]),
        (Column(name="x", kind="integer", thousands="."), [1234567, 5], ["1.234.567", "5"]),
        (Column(name="x", kind="boolean", labels=("no", "yes")), [True, False, None], ["yes", "no", ""]),
        (Column(name="x", kind="datetime", format="%s"), pd.to_datetime(["1970-01-02"]), ["86400"]),
    ],
)
def test_values_are_written_as_the_column_says(column, values, texts):
    series = conform(pd.DataFrame({"x": values}), Schema(columns=[column]))["x"]
    assert written(series, column).tolist() == texts


def test_a_text_of_another_kind_is_refused_in_words():
    with pytest.raises(ValueError, match="declared integer, but 2 of its 3 values are not"):
        parsed(pd.Series(["1", "x", "2.5"]), Column(name="x", kind="integer"))


def test_large_integers_keep_their_last_digit():
    assert parsed(pd.Series(["9007199254740993"]), Column(name="x", kind="integer")).tolist() == [2**53 + 1]
