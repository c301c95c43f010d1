"""A form is drawn from its model: every kind of field, its bounds, its description; invalid values are explained."""

import pytest
from streamlit.testing.v1 import AppTest

from synth import GENERATORS


def every_kind_of_field():
    from enum import Enum
    from typing import Literal

    import streamlit as st
    from pydantic import model_validator

    from pages.components.forms import params_form
    from synth.params import Params, knob

    class Size(Enum):
        SMALL = "small"
        LARGE = "large"

    class Many(Params):
        epochs: int = knob(300, "Passes over the table.", ge=1, le=5000)
        rate: float = knob(2e-4, "Step size.", gt=0, advanced=True)
        bound: float | None = knob(None, "Empty: none.", ge=0)
        conditional: bool = knob(True, "Whether.")
        flavour: Literal["plain", "rich"] = knob("plain", "Which.")
        size: Size = knob(Size.SMALL, "How large.")
        layers: list[int] = knob([256, 128], "Widths.")
        columns: list[Literal["a", "b"]] = knob(["a"], "Which columns.")
        base: str = knob("gpt2", "Weights.")
        source: str | None = knob(None, "Where from.")

        @model_validator(mode="after")
        def _odd(self):
            if self.epochs == 13:
                raise ValueError("thirteen passes bring bad luck; take fourteen")
            return self

    found = params_form(Many, key="many")
    st.text(found.model_dump_json() if found else "invalid")


def said(form: AppTest) -> str:
    """The first complaint, without what keeps it from being read as markdown."""
    return form.error[0].value.replace("\\", "")


@pytest.fixture
def form() -> AppTest:
    return AppTest.from_function(every_kind_of_field, default_timeout=30).run()


def test_untouched_it_gives_the_defaults(form):
    assert not form.exception
    assert form.text[0].value == (
        '{"polish":false,"rare_below":5,"epochs":300,"rate":0.0002,"bound":null,"conditional":true,"flavour":"plain","size":"small",'
        '"layers":[256,128],"columns":["a"],"base":"gpt2","source":null}'
    )


def test_bounds_and_help_come_from_the_model(form):
    epochs = form.text_input(key="many.epochs")
    assert (epochs.help, epochs.label) == ("Passes over the table. From 1 to 5,000.", "Epochs")


def test_advanced_ones_are_folded_away(form):
    assert form.expander[0].label == "Advanced (2)"
    assert [field.label for field in form.expander[0].text_input] == ["Protect levels rarer than", "Rate"]


def test_what_is_entered_comes_out(form):
    form.text_input(key="many.epochs").set_value("2")
    form.text_input(key="many.bound").set_value("0.5")
    form.toggle(key="many.conditional").set_value(False)
    form.selectbox(key="many.flavour").set_value("rich")
    form.text_input(key="many.layers").set_value("64, 32")
    form.text_input(key="many.source").set_value("here")
    form.run()
    for part in ('"epochs":2', '"bound":0.5', '"conditional":false', '"rich"', "[64,32]", '"source":"here"'):
        assert part in form.text[0].value


def with_words():
    import streamlit as st
    from pydantic import BaseModel

    from pages.components.forms import params_form

    class Options(BaseModel):
        delimiter: str | None = None

    words = {"delimiter": {"Automatic": None, "Tab": "\t", "None": ""}}
    st.text(repr(params_form(Options, key="o", choices=words).delimiter))


def test_values_that_are_hard_to_type_are_offered_in_words():
    page = AppTest.from_function(with_words, default_timeout=30).run()
    assert page.text[0].value == "None"
    page.selectbox[0].select("Tab").run()
    assert page.text[0].value == r"'\t'"


@pytest.mark.parametrize(
    "field, entered, complaint",
    [
        ("layers", "64, wide", "Layers.1: Input should be a valid integer"),
        ("rate", "0.0", "Rate: 0.0 is too small. More than 0."),
        ("epochs", "-5", "Epochs: -5 is too small. From 1 to 5,000."),
        ("epochs", "1e30", "Epochs: 1e30 is too large. From 1 to 5,000."),
        ("epochs", "1.5", "Epochs: 1.5 is not a whole number."),
        ("epochs", "ten", "Epochs: “ten” is not a number."),
        ("epochs", "", "Epochs: Enter a number."),
        ("bound", "0,5", "Bound: “0,5” is not a number. Write the decimals after a point, as in 1.5."),
    ],
)
def test_what_does_not_fit_is_said_in_a_sentence(form, field, entered, complaint):
    form.text_input(key=f"many.{field}").set_value(entered).run()
    assert form.text[0].value == "invalid"
    assert said(form).startswith(complaint)


def test_rules_between_fields_are_said_too(form):
    form.text_input(key="many.epochs").set_value("13").run()
    assert said(form) == "These values: thirteen passes bring bad luck; take fourteen"


def titled():
    import streamlit as st

    from pages.components.forms import params_form
    from synth.params import Params, knob

    class Titled(Params):
        min_leaf: int = knob(5, "Rows that a leaf has at least.", title="Minimum rows per leaf", ge=1)
        max_depth: int = knob(3, "Depth.", ge=1)

    st.text(repr(params_form(Titled, key="t")))


def test_a_field_is_called_by_its_title_and_without_one_by_its_name():
    page = AppTest.from_function(titled, default_timeout=30).run()
    assert [field.label for field in page.text_input] == [
        "Minimum rows per leaf",
        "Max depth",
        "Protect levels rarer than",
    ]


def undescribed():
    from typing import Any, Literal

    import streamlit as st
    from pydantic import BaseModel

    from pages.components.forms import params_form

    class Part(BaseModel):
        width: int = 3

    class Foreign(BaseModel):
        kind: Literal["foreign"] = "foreign"
        strength: float = 1.5
        either: int | str = "auto"
        pair: tuple[int, float] = (1, 0.5)
        part: Part = Part()
        anything: Any = None
        names: list[str] | None = None
        weights: dict[str, float] | None = None

    found = params_form(Foreign, key="f")
    st.text(found.model_dump_json() if found else "invalid")


def test_parameters_of_a_plugin_without_descriptions_are_named_and_any_type_can_be_entered():
    page = AppTest.from_function(undescribed, default_timeout=30).run()
    assert not page.exception
    assert page.text[0].value == (
        '{"kind":"foreign","strength":1.5,"either":"auto","pair":[1,0.5],"part":{"width":3},"anything":null,'
        '"names":null,"weights":null}'
    )
    fields = [*page.text_input, *page.text_area]
    assert not any(field.help for field in fields)
    assert sorted(field.label for field in fields) == [
        "Anything (JSON)",
        "Either (JSON)",
        "Names (comma-separated)",
        "Pair (JSON)",
        "Part (JSON)",
        "Strength",
        "Weights (JSON)",
    ]
    page.text_area(key="f.either").set_value("7")
    page.text_area(key="f.part").set_value('{"width": 9}')
    page.text_input(key="f.names").set_value("a, b")
    page.run()
    for part in ('"either":7', '"part":{"width":9}', '"names":["a","b"]'):
        assert part in page.text[0].value


SHOWN = """
from pages.components.forms import params_form
from synth import GENERATORS
assert params_form(GENERATORS[{name!r}].Params, key="p") == GENERATORS[{name!r}].Params()
"""


@pytest.mark.parametrize("name", GENERATORS)
def test_every_generator_has_a_form_that_gives_its_defaults(name):
    page = AppTest.from_string(SHOWN.format(name=name), default_timeout=30).run()
    assert not page.exception
