"""Rare values: which are protected, what comes in their place, and that no model ever holds one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from synth import Column, Schema, Synthesizer
from synth.columns.people import about_people
from synth.columns.rare import Protection, coarser, level_counts, protected, protections
from synth.generators.base import GENERATORS, Model
from synth.generators.bootstrap import Bootstrap
from synth.generators.trees.trees import Trees
from synth.sampling.conditions import Unmet
from synth.schema.casting import conform
from synth.schema.rules import Combination
from tests.trained import fitted


def table_of(**columns) -> tuple[pd.DataFrame, Schema]:
    """A table and its schema, written as `name=(kind, values)` or `name=Column(...), values`."""
    schema = [
        kind if isinstance(kind, Column) else Column(name=name.replace("_", " "), kind=kind)
        for name, (kind, _) in columns.items()
    ]
    table = pd.DataFrame(
        {column.name: pd.Series(list(v)) for column, (_, v) in zip(schema, columns.values(), strict=True)}
    )
    return conform(table, Schema(columns=schema)), Schema(columns=schema)


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def outcome(table: pd.DataFrame, schema: Schema) -> dict[str, Protection]:
    return {one.column: one for one in protections(schema, level_counts(table, schema))}


# Which columns are about people ---------------------------------------------------------------------------------------

NAMES = {"Anna Schmidt": 2, "Peter Müller": 1, "Maria Rossi": 3, "John Smith": 1, "Eva Novak": 1}
WORDS = {f"wort {i} und noch {i} mehr": 1 for i in range(9)}


@pytest.mark.parametrize(
    ("header", "levels", "what"),
    [
        ("job_title", {"clerk": 3}, "a job"),
        ("Berufsbezeichnung", {"Maurer": 3}, "a job"),
        ("métier", {"maçon": 3}, "a job"),
        ("当前职业", {"教师": 3}, "a job"),
        ("employer", {"Acme": 1}, "an employer"),
        ("Bemerkung", WORDS, "answers in somebody's own words"),
        ("comentarios", WORDS, "answers in somebody's own words"),
        ("Lehrer", NAMES, "names"),
        # Fixed answers, things that have a name, and what is said of things.
        ("response", {"yes": 90, "no": 80, "later": 3}, ""),
        ("name", {"Blue Lamp 40": 2, "Red Chair 12": 3}, ""),
        ("Standort", {"Ulm": 1, "Bonn": 4}, ""),
        ("product", WORDS, ""),
        ("Postleitzahl", {"80331": 3}, ""),
        ("city", {"Turin": 3}, ""),
        ("job", {"backup": 3, "compact": 2}, ""),
    ],
)
def test_a_header_and_its_values_say_whether_a_column_is_about_people(header, levels, what):
    found = about_people([Column(name=header, kind="category"), Column(name="x", kind="number")], {header: levels})
    assert found.get(header, "") == what


@pytest.mark.parametrize("sign", ["sex", "Geschlecht", "edad", "年龄", "wiek"])
@pytest.mark.parametrize(
    ("header", "what"),
    [
        ("Postleitzahl", "where somebody lives"),
        ("job", "a job"),
        ("religion", "health, belief or origin"),
        ("ticket", "values of one person each"),
        ("country", ""),
        ("site", ""),
        ("status", ""),
        ("blood pressure", ""),
    ],
)
def test_where_rows_are_people_more_columns_are_about_them(sign, header, what):
    pressures = {f"{110 + i}/{70 + i}": 1 for i in range(12)}
    levels = pressures if header == "blood pressure" else {f"T{1000 + 7 * i}": 1 for i in range(12)}
    columns = [Column(name=sign, kind="category"), Column(name=header, kind="category")]
    assert about_people(columns, {sign: {"a": 9, "b": 9}, header: levels}).get(header, "") == what


# What is done ----------------------------------------------------------------------------------------------------------


def test_levels_of_fewer_than_five_rows_are_replaced_where_people_are_meant_and_of_one_row_elsewhere():
    jobs = ["clerk"] * 200 + ["nurse"] * 5 + ["bishop"] * 4 + ["spy"]
    sites = ["Ulm"] * 204 + ["Bonn"] * 2 + ["Kiel"] * 3 + ["Jena"]
    table, schema = table_of(job_title=("category", jobs), site=("category", sites))
    found = outcome(table, schema)
    assert (found["job title"].outcome, found["job title"].below) == ("replaced", 5)
    assert (found["job title"].rare_levels, found["job title"].rare_rows) == (2, 5)
    assert (found["site"].outcome, found["site"].below, found["site"].rare_rows) == ("replaced", 2, 1)
    kept = protected(table, schema, list(found.values()))
    assert set(kept["job title"]) == {"clerk", "nurse"} and set(kept["site"]) == {"Ulm", "Bonn", "Kiel"}
    assert kept["job title"].cat.categories.tolist() == ["clerk", "nurse"]


def test_of_two_levels_about_people_the_rare_one_is_protected_too():
    table, schema = table_of(occupation=("category", ["clerk"] * 200 + ["bishop"]), x=("number", np.arange(201.0)))
    assert set(protected(table, schema, list(outcome(table, schema).values()))["occupation"]) == {"clerk"}


def test_a_column_of_which_less_than_half_would_stay_is_kept_or_reported_as_lost():
    # 200 rows each: 60 % of them alone with their value.
    values = [f"v{i}" for i in range(120)] + ["common"] * 80
    table, schema = table_of(part=("category", values), occupation=("category", values))
    found = outcome(table, schema)
    assert (found["part"].outcome, found["occupation"].outcome) == ("kept", "lost")
    kept = protected(table, schema, list(found.values()))
    assert kept["part"].nunique() == 121 and set(kept["occupation"]) == {"common"}


@pytest.mark.parametrize("sites", [30, 12])
def test_sites_of_four_rows_each_are_all_kept(sites):
    table, schema = table_of(
        centro=("category", [f"Centro {i}" for i in range(sites)] * 4), x=("number", random().normal(size=4 * sites))
    )
    drawn = fitted(Trees(), table, schema).sample(500)
    assert set(drawn["centro"]) == set(table["centro"])


@pytest.mark.parametrize(
    ("header", "levels"),
    [
        ("Stadt", ["Ulm", "Bonn", "Köln", "Jena", "Kiel", "Trier"]),
        ("倉庫", ["東京", "大阪", "京都", "札幌", "福岡", "那覇"]),
    ],
)
def test_a_table_of_few_rows_keeps_its_own_levels(header, levels):
    # 19 rows: three levels of five rows or six, three of one.
    values = np.repeat(levels, [6, 5, 5, 1, 1, 1])
    table, schema = table_of(**{header: ("category", values), "w": ("number", np.arange(19.0))})
    drawn = fitted(Trees(), table, schema).sample(300)
    assert set(drawn[header]) == set(levels)


def test_the_owner_may_choose_a_label_a_blank_a_coarser_group_another_number_or_to_keep_all():
    codes = ["A01.1"] * 3 + ["A01.2"] * 4 + ["B20"] * 60 + ["Z99.9"] * 2
    for settings, expected in (
        ({"rare": "label", "rare_label": "sonstige"}, {"B20", "sonstige"}),
        ({"rare": "blank"}, {"B20", np.nan}),
        ({"rare": "coarser"}, {"B20", "A01"}),
        ({"rare": "keep"}, set(codes)),
        ({"rare_below": 3}, {"A01.1", "A01.2", "B20"}),
    ):
        column = Column.model_validate({"name": "occupation", "kind": "category", "rare_below": 5} | settings)
        table, schema = table_of(occupation=(column, codes), x=("number", np.arange(69.0)))
        kept = protected(table, schema, list(outcome(table, schema).values()))["occupation"]
        assert set(kept.astype(object)) == expected, settings


@pytest.mark.parametrize(
    ("levels", "below", "groups"),
    [
        ({"80331": 2, "80333": 2, "80469": 1, "10115": 1}, 5, {"80331": "80", "80333": "80", "80469": "80"}),
        ({"80331": 3, "80333": 2, "80469": 4}, 5, {"80331": "8033", "80333": "8033"}),
        (
            {"Head of sales": 3, "Head of cats": 2, "Clown": 4},
            5,
            {"Head of sales": "Head of", "Head of cats": "Head of"},
        ),
        ({"Turin": 4, "Tunis": 4}, 5, {}),
    ],
)
def test_a_coarser_group_is_the_beginning_that_enough_rows_share(levels, below, groups):
    assert coarser(pd.Series(levels), below) == groups


# In their place --------------------------------------------------------------------------------------------------------


def test_a_level_of_the_rows_most_alike_comes_in_place_of_a_rare_one():
    # In each of three departments jobs of its own; one rare job in each of the first two, beside columns of noise.
    department = random().integers(0, 3, 3_000)
    job = [f"job {d}{i}" for d, i in zip(department, random(1).integers(0, 5, 3_000), strict=True)]
    first, second = np.flatnonzero(department == 0)[:4], np.flatnonzero(department == 1)[:4]
    for rows, name in ((first, "rare of 0"), (second, "rare of 1")):
        for row in rows:
            job[row] = name
    table, schema = table_of(
        noise=("number", random(2).normal(size=3_000)),
        department=("category", [f"d{d}" for d in department]),
        job_title=("category", job),
        coin=("boolean", random(3).random(3_000) < 0.5),
    )
    found = list(outcome(table, schema).values())
    kept = protected(table, schema, found, seed=4)["job title"].astype(str)
    assert all(kept[row].startswith("job 0") for row in first) and all(kept[row].startswith("job 1") for row in second)
    assert protected(table, schema, found, seed=4)["job title"].tolist() == kept.tolist()


def test_no_common_level_is_swollen_by_the_rare_ones():
    # 40 % of 2,000 rows in 400 titles of two rows each; the commonest title has 100 rows, 220 have five.
    titles = [f"rare {i}" for i in range(400)] * 2 + ["chief"] * 100 + [f"title {i}" for i in range(220)] * 5
    table, schema = table_of(job_title=("category", titles), x=("number", random().normal(size=2_000)))
    kept = protected(table, schema, list(outcome(table, schema).values()))["job title"].value_counts()
    # 800 rows in proportion to the root of the rows: 10 of 10 + 220 * 2.24.
    assert 100 <= kept["chief"] <= 140 and (kept > 5).mean() > 0.8


def test_values_that_only_come_together_are_replaced_together():
    towns = {"Lyon": "FR", "Nice": "FR", "Bonn": "DE", "Ulm": "DE"}
    town = random().choice(list(towns), 400).tolist()
    country = [towns[one] for one in town]
    town[:2], country[:2] = ["Graz", "Vaduz"], ["AT", "LI"]
    table, schema = table_of(town=("category", town), land=("category", country), n=("integer", range(400)))
    schema = schema.model_copy(update={"rules": [Combination(columns=["town", "land"])]})
    drawn = fitted(Trees(), table, schema).sample(500)
    assert {(t, c) for t, c in zip(drawn["town"], drawn["land"], strict=True)} == set(towns.items())


def test_replacing_sorts_the_rows_a_few_times_however_many_levels_there_are():
    rows = 30_000
    columns = {f"c{i}": ("category", random(i).integers(0, 40, rows).astype(str)) for i in range(10)}
    table, schema = table_of(job_title=("category", (random().zipf(1.3, rows) % 5_000).astype(str)), **columns)
    found = list(outcome(table, schema).values())
    calls = CountedSorts()
    with calls:
        kept = protected(table, schema, found)
    assert kept["job title"].value_counts().min() >= 5
    # One sort of all rows for each of at most 2^6 ways in which a row may agree in six columns, and few besides.
    assert calls.sorted_rows < 100 * rows


class CountedSorts:
    """Counts the rows that `numpy.unique` sorts: what the search for alike rows costs, whatever the machine does."""

    def __enter__(self):
        self.sorted_rows, self.before = 0, np.unique
        np.unique = self.unique
        return self

    def unique(self, values, *args, **kwargs):
        self.sorted_rows += len(values)
        return self.before(values, *args, **kwargs)

    def __exit__(self, *_):
        np.unique = self.before


# In every generator ----------------------------------------------------------------------------------------------------


def quick_generators() -> list[type[Model]]:
    return [kind for kind in GENERATORS.values() if not kind.slow and kind.available() and not kind.needs_gpu]


@pytest.mark.parametrize("kind", quick_generators(), ids=lambda kind: kind.name)
def test_no_generator_draws_or_stores_a_protected_level(kind, tmp_path):
    jobs = ["Schlosser"] * 60 + ["Bäckerin"] * 55 + ["Glockengießer"] * 3 + ["Hofzuckerbäcker"]
    sites = ["Ulm", "Bonn"] * 59 + ["Einsiedel"]
    table, schema = table_of(
        Beruf=("category", jobs), Werk=("category", sites), x=("number", random().normal(size=119))
    )
    synthesizer = fitted(kind(kind.quick()), table, schema)
    drawn = synthesizer.sample(400)
    assert set(drawn["Beruf"]) <= {"Schlosser", "Bäckerin"} and set(drawn["Werk"]) <= {"Ulm", "Bonn"}
    synthesizer.save(tmp_path)
    stored = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    for level in ("Glockengießer", "Hofzuckerbäcker", "Einsiedel"):
        assert level.encode() not in stored and level.encode("unicode-escape") not in stored
    again = Synthesizer.load(tmp_path)
    assert [one.rare_rows for one in again.preparation.protections] == [4, 1]


# Rare answers and classes ----------------------------------------------------------------------------------------------


def frauds(rows: int, positives: int, far: float = 5.0) -> pd.DataFrame:
    x = random(positives).normal(size=rows)
    is_fraud = np.arange(rows) < positives
    return pd.DataFrame({"x": x + far * is_fraud, "fraud": is_fraud, "g": random(1).choice(["a", "b"], rows)})


@pytest.mark.parametrize("name", ["trees", "bootstrap", "gaussian_copula"])
@pytest.mark.parametrize("positives", [10, 20, 40, 80])
def test_a_rare_class_that_is_asked_for_looks_like_itself(name, positives):
    table = frauds(3_000, positives)
    schema = Schema(
        columns=[Column(name=n, kind=k) for n, k in (("x", "number"), ("fraud", "boolean"), ("g", "category"))]
    )
    synthesizer = fitted(GENERATORS[name](GENERATORS[name].quick()), table, schema)
    drawn = synthesizer.sample(600, {"shares": {"fraud": {"true": 0.5, "false": 0.5}}})
    real, mine = table.loc[table.fraud, "x"], drawn.loc[drawn.fraud, "x"]
    # Within four standard errors of a class of so many rows.
    assert len(mine) == 300 and abs(mine.mean() - real.mean()) < 4 * real.std() / positives**0.5
    assert drawn.loc[~drawn.fraud, "x"].mean() == pytest.approx(0, abs=0.3)
    # Few rows as they come: in the class's share, and like it too.
    natural = synthesizer.sample(20_000)
    assert natural.fraud.mean() == pytest.approx(positives / 3_000, rel=0.5)
    assert natural.loc[natural.fraud, "x"].mean() == pytest.approx(5, abs=1)


def test_a_rare_class_among_several_keeps_its_signal_and_what_is_given_beside_it(tmp_path):
    # Klasse: 2,000 rows in three classes, of which "Bruch" has 12, hot and late.
    rows = 2_000
    klasse = np.where(np.arange(rows) < 12, "Bruch", random().choice(["gut", "mäßig"], rows))
    heat = random(1).normal(20, 2, rows) + 60 * (klasse == "Bruch")
    when = pd.Timestamp("2024-01-01") + pd.to_timedelta(
        random(2).integers(0, 100, rows) + 200 * (klasse == "Bruch"), "D"
    )
    table, schema = table_of(
        Hitze=("number", heat),
        Zeit=("datetime", when),
        Schicht=("category", random(3).choice(["früh", "spät"], rows)),
        Klasse=(Column(name="Klasse", kind="category", role="target"), klasse),
    )
    synthesizer = fitted(Trees(), table, schema)
    synthesizer.save(tmp_path)
    drawn = Synthesizer.load(tmp_path).sample(200, {"Klasse": "Bruch", "Schicht": "spät"})
    assert drawn["Hitze"].between(70, 90).mean() > 0.95 and (drawn["Zeit"] > pd.Timestamp("2024-07-01")).all()
    assert set(drawn["Schicht"]) == {"spät"}


def test_fewer_than_five_rows_of_a_class_are_refused_with_the_number_it_takes():
    table, schema = table_of(
        x=("number", random().normal(size=500)),
        default=("integer", [1] * 4 + [0] * 496),
        y=("boolean", [True] * 3 + [False] * 497),
    )
    synthesizer = fitted(Bootstrap(), table, schema)
    with pytest.raises(Unmet, match=r"'default' is 1 in 4 rows of the training table.* It takes 5 rows"):
        synthesizer.sample(100, {"default": 1})
    with pytest.raises(Unmet, match=r"'y' is true in 3 rows .* It takes 5 rows"):
        synthesizer.sample(100, {"shares": {"y": {"true": 0.5, "false": 0.5}}})
    assert len(synthesizer.sample(100, {"default": 0})) == 100
    # As they come, they are drawn as rarely as they are.
    drawn = synthesizer.sample(20_000)
    assert drawn["default"].mean() == pytest.approx(0.008, abs=0.003) and drawn["y"].mean() == pytest.approx(
        0.006, abs=0.003
    )


def test_a_rare_class_of_a_target_is_never_turned_into_another():
    labels = ["ok"] * 300 + ["sospechoso"] * 60 + ["fraude"] * 3 + ["nulo"]
    table, schema = table_of(
        clase=(Column(name="clase", kind="category", role="target"), labels), x=("number", random().normal(size=364))
    )
    found = outcome(table, schema)["clase"]
    assert (found.outcome, found.smallest) == ("kept", {"fraude": 3, "nulo": 1})
    assert set(fitted(Trees(), table, schema).sample(20_000)["clase"]) == set(labels)


def test_a_table_of_many_flags_has_no_models_of_small_classes():
    flags = {f"f{i}": ("boolean", random(i).random(1_000) < 0.03) for i in range(8)}
    table, schema = table_of(**flags)
    assert not fitted(Trees(), table, schema).preparation.classes.classes
