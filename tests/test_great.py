"""GReaT: every row parses, what is given is kept, and each known defect of be_great 0.0.14 is out of the way."""

import numpy as np
import pandas as pd
import pytest

from synth import Report, Synthesizer
from synth.awkward_tables import AWKWARD
from synth.generators.language.great import GReaT
from synth.generators.language.great_text import ColumnText, RowText, fitted_tokenizer, layout
from synth.schema import Column, Schema
from synth.schema.casting import conform
from tests.trained import fitted

ROWS = 240
SCHEMA = Schema(
    columns=[
        Column(name="job", kind="category"),
        Column(name="note, is it", kind="category"),
        Column(name="age", kind="integer"),
        Column(name="price", kind="number", decimals=2),
        Column(name="born", kind="datetime"),
        Column(name="member", kind="boolean"),
    ]
)


def people() -> pd.DataFrame:
    """Nurses are young and poor, pilots old and rich; notes hold what be_great's sentences are split at."""
    rng = np.random.default_rng(0)
    pilot = rng.random(ROWS) < 0.5
    table = {
        "job": np.where(pilot, "pilot", "nurse"),
        "note, is it": rng.choice(["a, b", "this is, that is", "None", "<|endoftext|>"], ROWS),
        "age": pd.Series(np.where(pilot, 50, 20) + rng.integers(0, 9, ROWS)).mask(rng.random(ROWS) < 0.1),
        "price": np.round(np.where(pilot, 100, -10) + rng.random(ROWS) * 9, 2),
        "born": pd.Timestamp("1950-01-01") + pd.to_timedelta(rng.integers(0, 20_000, ROWS), unit="D"),
        "member": rng.random(ROWS) < 0.5,
    }
    return conform(pd.DataFrame(table), SCHEMA)


@pytest.fixture(scope="module")
def model() -> GReaT:
    return fitted(GReaT(GReaT.Params(steps=14, layers=1, width=64), seed=1), people(), SCHEMA)


def written(table: pd.DataFrame, schema: Schema, compact: bool = True) -> RowText:
    columns = [ColumnText.learn(table[column.name], column, padded=compact) for column in schema]
    return RowText(columns, fitted_tokenizer(columns, table), compact)


# Sentences ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compact", [True, False])
def test_every_value_that_is_written_is_read_back(compact):
    """Values with commas, " is " and "None" among them (be_great loses these)."""
    table = people()
    text = written(table, SCHEMA, compact)
    for place, tokens in enumerate(text.encode(table)):
        texts = []
        for value in tokens:
            node = text.roots[place]
            for token in value:
                node = node.next[token]
            assert not node.next
            texts.append(text.decode(value, node))
        column = table.columns[place]
        read = text.columns[place].read(texts)
        assert read.isna().tolist() == table[column].isna().tolist()
        there = table[column].notna().to_numpy()
        assert read[there].astype(object).tolist() == table.loc[there, column].astype(object).tolist()


def test_a_missing_value_is_no_value_called_none():
    table = people()
    text = written(table, SCHEMA)
    assert text.absent != "None" and "None" in text.columns[1].texts


@pytest.mark.parametrize("text, expected", [("-7.50", "+0.00"), ("1999-12-31", "0000-00-00"), ("42", "00")])
def test_layouts_of_numbers_and_dates(text, expected):
    assert layout(text) == expected


@pytest.mark.parametrize("text, moment", [("2023-02-31", "2023-02-28"), ("2023-13-00 25:61:61", "2023-12-01 23:59:59")])
def test_dates_that_no_calendar_has_are_brought_into_it(text, moment):
    column = ColumnText(Column(name="x", kind="datetime"), None, [], 0, "s", lacks=False)
    assert column.read([text, None]).tolist() == [pd.Timestamp(moment), pd.NaT]


def test_large_integers_keep_every_digit():
    table, schema = AWKWARD["big and small numbers"]
    table = conform(table, schema)
    column = ColumnText.learn(table["big"], schema["big"], padded=True)
    assert column.read(column.write(table["big"])).tolist() == table["big"].tolist()


def test_a_number_may_follow_only_its_layout():
    """Two digits, a point, one digit: no other sequence leads to an end."""
    table = pd.DataFrame({"x": np.arange(100, 200) / 10})
    text = written(table, Schema(columns=[Column(name="x", kind="number")]))
    node, spelled = text.roots[0], []
    while node.next:
        spelled.append("".join(sorted(text.spelled[token] for token in node.next)))
        node = next(iter(node.next.values()))
    assert spelled == ["0123456789", "0123456789", ".", "0123456789"]


# Rows --------------------------------------------------------------------------------------------------------------


def test_after_hardly_any_training_every_row_is_valid(model):
    """be_great starts from numbers written unlike the training text, and hardly a row parses."""
    rows = model.sample(300)
    assert len(rows) == 300
    assert set(rows["job"]) <= {"pilot", "nurse"}
    assert set(rows["note, is it"]) <= set(people()["note, is it"])
    assert rows["price"].between(-10, 109).all() and rows["price"].notna().all()
    assert rows["born"].notna().all() and rows["member"].notna().all()


def test_what_is_given_is_kept_exactly(model):
    """be_great drops numeric conditions where a delimiter is several tokens."""
    given = pd.DataFrame({"age": [33, 21, 58], "note, is it": ["this is, that is", "None", "a, b"]})
    rows = model.complete(given)
    assert rows["age"].tolist() == [33, 21, 58] and rows["note, is it"].tolist() == given["note, is it"].tolist()
    assert rows[["job", "price", "born"]].notna().all(axis=None)


def test_conditions_hold_in_every_row(model):
    rows = model.sample(40, {"job": "pilot", "price": {"ge": 100}})
    assert len(rows) == 40 and (rows["job"] == "pilot").all() and (rows["price"] >= 100).all()


def test_a_value_never_seen_is_an_error(model):
    with pytest.raises(ValueError, match="job"):
        model.sample(5, {"job": "king"})


def test_training_padding_leaks_nothing():
    """Rows begin at position 0, padded on the right; padding and heads are not learned."""
    from synth.generators.language.great_model import IGNORED, Sentences

    table = people()
    text = written(table, SCHEMA)
    sentences = Sentences(text, text.encode(table), np.arange(ROWS), seed=0)
    batch = sentences.collate([sentences[place] for place in range(8)])
    assert (batch["input_ids"][:, 0] == text.start).all() and (batch["attention_mask"][:, 0] == 1).all()
    lengths = batch["attention_mask"].sum(1)
    for row, length in zip(batch["labels"], lengths, strict=True):
        assert (row[length:] == IGNORED).all()
    spoken = {token for head in text.heads for token in head}
    assert not spoken & set(batch["labels"].flatten().tolist())


def test_stop_and_keep_what_is_trained():
    class Enough(Report):
        @property
        def stop_early(self) -> bool:
            return True

    model = fitted(GReaT(GReaT.Params(steps=5000, layers=1, width=32)), people(), SCHEMA, Enough())
    assert len(model.sample(10)) == 10


def test_the_curve_shows_both_losses(model):
    assert [point["step"] for point in model.model.curve] == list(range(1, 15))
    assert model.model.curve[-1]["loss"] < model.model.curve[0]["loss"]
    assert model.model.curve[-1]["validation_loss"] < model.model.curve[0]["validation_loss"]


def test_weights_that_cannot_be_had_are_an_error():
    with pytest.raises(ValueError, match="no model hub could be reached"):
        fitted(GReaT(GReaT.Params(weights="no-such/model")), people(), SCHEMA)


@pytest.mark.parametrize("lora", [True, False])
def test_weights_from_a_folder_are_trained_on(tmp_path, lora):
    """A tiny GPT-2 with byte tokens stands for any pretrained model: numbers are of many shapes, values many tokens."""
    from synth.generators.language.great_model import write_compact

    tokenizer = fitted_tokenizer([], pd.DataFrame())
    write_compact(tmp_path / "weights", tokenizer, positions=256, layers=1, width=32)
    params = GReaT.Params(weights=str(tmp_path / "weights"), steps=2, lora=lora)
    model = fitted(GReaT(params, seed=1), people().head(60), SCHEMA)
    rows = model.sample(20)
    assert len(rows) == 20 and set(rows["job"]) <= {"pilot", "nurse"} and rows["price"].notna().all()
    model.save(tmp_path / "model")
    pd.testing.assert_frame_equal(Synthesizer.load(tmp_path / "model").sample(20), rows)


def test_rows_too_long_for_the_weights_are_an_error(tmp_path):
    from synth.generators.language.great_model import write_compact

    write_compact(tmp_path, fitted_tokenizer([], pd.DataFrame()), positions=16, layers=1, width=32)
    with pytest.raises(ValueError, match="reads 16 at most"):
        fitted(GReaT(GReaT.Params(weights=str(tmp_path))), people(), SCHEMA)


@pytest.mark.slow
def test_dependences_are_learned():
    model = fitted(GReaT(GReaT.Params(steps=900, layers=2, width=64), seed=1), people(), SCHEMA)
    rows = model.sample(300)
    assert ((rows["price"] > 50) == (rows["job"] == "pilot")).mean() > 0.95
    assert rows["job"].value_counts(normalize=True).between(0.35, 0.65).all()
